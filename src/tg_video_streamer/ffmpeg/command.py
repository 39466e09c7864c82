"""One whole command line for one stretch of an item: its inputs, its filters, and the house format on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.ffmpeg.encode import house_arguments
from tg_video_streamer.ffmpeg.filters import Stretch, endless, filter_graph
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.source import Source


def feed_command(
    ffmpeg: Path, inputs: Sequence[Sequence[str]], *, source: Source, house: HouseFormat, stretch: Stretch
) -> list[str]:
    """`inputs`: for each input of the item, in order, what `ffmpeg.inputs` made of it."""
    length = [] if stretch.length_seconds is None else ["-t", f"{stretch.length_seconds:.6f}"]
    return [
        str(ffmpeg),
        *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning"),
        *(word for one in inputs for word in one),
        *("-filter_complex", filter_graph(source, house, stretch)),
        *("-map", "[v]", "-map", "[a]"),
        *(["-shortest"] if endless(source) else []),
        *length,
        *house_arguments(house),
    ]
