"""What hardware encoders need besides the house options: a device, pictures in its memory, one I-frame each 2 s; pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tg_video_streamer.ffmpeg.house import HouseFormat

RENDER_NODE = "/dev/dri/renderD128"
"""The first graphics processor of a host, for VAAPI and QSV."""
_NAME = "gpu"
_DEVICES: Mapping[str, str] = MappingProxyType(
    {
        "h264_vaapi": f"vaapi={_NAME}:{RENDER_NODE}",
        "h264_qsv": f"qsv={_NAME}:hw,child_device={RENDER_NODE}",
    }
)
_UPLOADS: Mapping[str, str] = MappingProxyType(
    {
        "h264_vaapi": "format=nv12,hwupload",
        # The encoder holds pictures back, for which the pool must have room.
        "h264_qsv": "format=nv12,hwupload=extra_hw_frames=64",
    }
)
_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # It copies pictures into its memory by itself. Every I-frame is an IDR frame, and none comes at a change of scene.
        "h264_nvenc": ("-rc:v", "vbr", "-rc-lookahead:v", "0", "-no-scenecut:v", "1", "-b_ref_mode:v", "disabled"),
        "h264_vaapi": ("-rc_mode:v", "VBR", "-idr_interval:v", "0"),
        "h264_qsv": ("-look_ahead:v", "0", "-adaptive_i:v", "0", "-adaptive_b:v", "0", "-idr_interval:v", "0"),
    }
)


def encoder_of(house: HouseFormat) -> str:
    """The name of the encoder of the picture."""
    given = dict(zip(house.encoder_arguments[::2], house.encoder_arguments[1::2], strict=True))
    return given.get("-c:v", "libx264")


def device_arguments(house: HouseFormat) -> list[str]:
    """Global options, before the inputs, that open the device; none for an encoder that needs none."""
    device = _DEVICES.get(encoder_of(house))
    return [] if device is None else ["-init_hw_device", device, "-filter_hw_device", _NAME]


def upload(house: HouseFormat) -> str:
    """The last filters of every picture, with a comma before them; empty where the encoder reads the main memory."""
    filters = _UPLOADS.get(encoder_of(house))
    return "" if filters is None else f",{filters}"


def encoder_options(house: HouseFormat) -> tuple[str, ...]:
    """Options of the encoder: its rate control, and a closed GOP without B-frames."""
    return _OPTIONS.get(encoder_of(house), ())


def reads_main_memory(house: HouseFormat) -> bool:
    """Whether the encoder takes pictures in the pixel format of the program."""
    return encoder_of(house) not in _UPLOADS
