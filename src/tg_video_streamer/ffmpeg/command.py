"""One whole command line for one item_range of an item: its inputs, its filters, and the house format on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.ffmpeg.encode import copy_arguments, house_arguments, hurried_arguments
from tg_video_streamer.ffmpeg.filters import ItemRange, filter_graph
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.overlay import OverlayInput, overlay_inputs
from tg_video_streamer.ffmpeg.source import SourceFacts


def feed_command(
    ffmpeg: Path,
    inputs: Sequence[Sequence[str]],
    *,
    source: SourceFacts,
    house: HouseFormat,
    item_range: ItemRange,
    overlay: OverlayInput | None = None,
    hurried: bool = False,
) -> list[str]:
    """`inputs`: for each input of the item, in order, what `ffmpeg.inputs` made of it. `overlay`: what its picture wears.

    `hurried`: each picture comes out as soon as it has gone in, at some cost in quality.
    """
    first_input = len(inputs) + (source.sound is None)
    graph = filter_graph(source, house, item_range, overlay=overlay, first_input=first_input)
    length = [] if item_range.length_seconds is None else ["-t", f"{item_range.length_seconds:.6f}"]
    return [
        *_beginning(ffmpeg, inputs),
        *([] if source.sound is not None else ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo"]),
        *([] if overlay is None else overlay_inputs(overlay)),
        *("-filter_complex", graph),
        *("-map", "[v]"),
        # ffmpeg 5.1 ends an endless stream with the other one only where it does not come out of the graph.
        *(["-map", "[a]"] if source.sound is not None else ["-map", f"{len(inputs)}:a", "-shortest"]),
        *length,
        # The muxer decides with the very first packet whether times below 0, which encoder delay has, need moving.
        *("-output_ts_offset", "1"),
        *(hurried_arguments(house) if hurried else []),
        *house_arguments(house),
    ]


def copy_command(ffmpeg: Path, inputs: Sequence[Sequence[str]], *, source: SourceFacts) -> list[str]:
    """The same for a source that is in the house format already: its packets as they are. It has a picture and sound."""
    assert source.picture is not None and source.sound is not None  # noqa: S101, PT018 - only such are taken over
    picture, sound = source.picture, source.sound
    return [
        *_beginning(ffmpeg, inputs),
        *("-map", f"{picture.input_index}:v:{picture.stream_index}"),
        *("-map", f"{sound.input_index}:a:{sound.stream_index}"),
        *("-output_ts_offset", "1"),
        *copy_arguments(),
    ]


def _beginning(ffmpeg: Path, inputs: Sequence[Sequence[str]]) -> list[str]:
    quiet = ("-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning")
    return [str(ffmpeg), *quiet, *(word for one in inputs for word in one)]
