"""Which hardware encoders this host has: those of its ffmpeg whose device is there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tg_video_streamer.doctor.finding import Finding, doubt, well
from tg_video_streamer.ffmpeg.arguments import parse_ffmpeg_args
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.hardware import RENDER_NODE
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.settings.settings import Settings

_LIST_SECONDS = 15.0
_DEVICES: Mapping[str, str] = MappingProxyType(
    {"h264_nvenc": "/dev/nvidia0", "h264_vaapi": RENDER_NODE, "h264_qsv": RENDER_NODE}
)


async def check_hardware(settings: Settings, root: Path = Path("/")) -> list[Finding]:
    """Names the encoders that could be used, or why the one that FFMPEG_ARGS asks for cannot. Raises ChildFailed, ToolMissing."""
    done = await run([str(find_ffmpeg()), "-hide_banner", "-encoders"], timeout_seconds=_LIST_SECONDS)
    listed = frozenset(re.findall(r"\b(h264_\w+)\b", done.stdout.decode("utf-8", "replace")))
    present = await asyncio.to_thread(_present, root)
    usable = [name for name in _DEVICES if name in listed and name in present]
    arguments = parse_ffmpeg_args(settings.ffmpeg_args)
    wanted = dict(zip(arguments[::2], arguments[1::2], strict=True)).get("-c:v", "")
    if wanted in _DEVICES and wanted not in usable:
        if wanted not in listed:
            return [doubt("encoder", "doctor.hardware_unknown", encoder=wanted, ffmpeg=str(find_ffmpeg()))]
        return [doubt("encoder", "doctor.hardware_absent", encoder=wanted, device=_DEVICES[wanted])]
    if not usable:
        return [well("encoder", "doctor.hardware_none")]
    return [well("encoder", "doctor.hardware", encoders=", ".join(usable))]


def _present(root: Path) -> frozenset[str]:
    return frozenset(name for name, device in _DEVICES.items() if (root / device.lstrip("/")).exists())
