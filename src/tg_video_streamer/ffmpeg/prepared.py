"""The format of what is encoded ahead of need: a slower preset, and exactly the codec headers of the live encodes; pure.

x264 writes into its headers the number of reference frames, the entropy coder, the 8x8 transform, weighted prediction, the
level, and the offset of the chroma quantizer. Psychovisual optimization (from `subme` 6 on) lowers that offset by one or two,
and with trellis by one or two more. What else a slower preset does changes only the pictures. Sources: x264's
`common/base.c` (presets), `encoder/encoder.c` and `encoder/set.c`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from tg_video_streamer.ffmpeg.encode import SAFE_VIDEO_ARGUMENTS
from tg_video_streamer.ffmpeg.house import HouseFormat


class X264Preset(StrEnum):
    """x264's presets from the fastest on; each is better than the one before at the same bits."""

    ULTRAFAST = "ultrafast"
    SUPERFAST = "superfast"
    VERYFAST = "veryfast"
    FASTER = "faster"
    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"
    SLOWER = "slower"
    VERYSLOW = "veryslow"


@dataclass(frozen=True, kw_only=True, slots=True)
class _InHeaders:
    """What a preset decides of the codec headers."""

    references: int
    psychovisual: bool
    plain: bool = False
    """Neither CABAC nor the 8x8 transform nor weighted prediction."""


_IN_HEADERS: Mapping[X264Preset, _InHeaders] = MappingProxyType(
    {
        X264Preset.ULTRAFAST: _InHeaders(references=1, psychovisual=False, plain=True),
        X264Preset.SUPERFAST: _InHeaders(references=1, psychovisual=False),
        X264Preset.VERYFAST: _InHeaders(references=1, psychovisual=False),
        X264Preset.FASTER: _InHeaders(references=2, psychovisual=False),
        X264Preset.FAST: _InHeaders(references=2, psychovisual=True),
        X264Preset.MEDIUM: _InHeaders(references=3, psychovisual=True),
        X264Preset.SLOW: _InHeaders(references=5, psychovisual=True),
        X264Preset.SLOWER: _InHeaders(references=8, psychovisual=True),
        X264Preset.VERYSLOW: _InHeaders(references=16, psychovisual=True),
    }
)
_OFFSETS = (2, 0, 4, 3, 1)
"""Added to the chroma offset, the likeliest first: psychovisual optimization alone, off, and with trellis."""
_LEVEL_BYTE = 3
"""Of an avcC box: AVCLevelIndication (ISO/IEC 14496-15)."""


def prepared_formats(
    house: HouseFormat, video_header: bytes, *, preset: X264Preset, bitrate: str = ""
) -> tuple[HouseFormat, ...]:
    """The house format with a slower `preset`, and with `bitrate` (as in `-b:v`) in place of its own if that is given.

    They differ in the chroma offset, the likeliest first: a trial shows which one has exactly the live `video_header`. None
    where the encoder is not libx264, and where nothing differs from the live encodes.
    """
    given = dict(zip(house.encoder_arguments[::2], house.encoder_arguments[1::2], strict=True))
    live_name = given.get("-preset", SAFE_VIDEO_ARGUMENTS[-1])
    if not can_prepare(house) or live_name not in set(X264Preset):
        return ()
    live, order = X264Preset(live_name), list(X264Preset)
    slower = order.index(preset) > order.index(live)
    if not slower and not bitrate:
        return ()
    given |= {"-preset": str(preset if slower else live)}
    level = ""
    if bitrate:
        given |= {"-b:v": bitrate, "-maxrate": bitrate}
        given.pop("-bufsize", None)
        # x264 chooses it by the bit rate too. With `-crf`, which is in the headers, the bit rate is a limit.
        level = str(video_header[_LEVEL_BYTE]) if len(video_header) > _LEVEL_BYTE and "-level" not in given else ""
    words = _parameters(live, preset if slower else live, _without_rate(given.pop("-x264-params", ""), bitrate), level)
    return tuple(_with(house, given | ({"-x264-params": each} if each else {})) for each in words)


def can_prepare(house: HouseFormat) -> bool:
    """Whether its encoder has presets that can be exchanged."""
    given = dict(zip(house.encoder_arguments[::2], house.encoder_arguments[1::2], strict=True))
    return given.get("-c:v", "libx264") == "libx264"


def _without_rate(parameters: str, bitrate: str) -> str:
    """The operator's x264 parameters, without limits that would undo `bitrate`."""
    parts = (part for part in parameters.split(":") if part)
    return ":".join(part for part in parts if not (bitrate and part.startswith("vbv-")))


def _with(house: HouseFormat, given: Mapping[str, str]) -> HouseFormat:
    return replace(house, encoder_arguments=tuple(word for pair in given.items() for word in pair))


def _parameters(live: X264Preset, prepared: X264Preset, operators: str, level: str) -> list[str]:
    """The operator's x264 parameters, with those by which `prepared` may write the headers of `live`."""
    given = dict(part.split("=", 1) for part in operators.split(":") if part)
    before, after = _IN_HEADERS[live], _IN_HEADERS[prepared]
    wanted = {"level": level} if level else {}
    if before.references != after.references:
        wanted["ref"] = str(before.references)
    if before.plain and not after.plain:
        wanted |= {"cabac": "0", "8x8dct": "0", "weightp": "0"}
    offset = int(given.get("chroma-qp-offset", "0"))
    more = _OFFSETS if after.psychovisual and not before.psychovisual else sorted(_OFFSETS, key=bool)
    offsets = [{"chroma-qp-offset": str(offset + one)} if one else {} for one in more]
    return [":".join(f"{key}={value}" for key, value in (wanted | given | one).items()) for one in offsets]
