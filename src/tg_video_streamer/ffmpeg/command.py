"""The command line that plays one range of an item: inputs, filters, house format on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.ffmpeg.encode import copy_arguments, house_arguments, low_latency_arguments
from tg_video_streamer.ffmpeg.filters import ItemRange, filter_graphs
from tg_video_streamer.ffmpeg.hardware import device_arguments, upload
from tg_video_streamer.ffmpeg.house import Economy, HouseFormat
from tg_video_streamer.ffmpeg.overlay import OverlayInput
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.ffmpeg.subtitles import SubtitlesInput


def feed_command(
    ffmpeg: Path,
    inputs: Sequence[Sequence[str]],
    *,
    source: SourceFacts,
    house: HouseFormat,
    item_range: ItemRange,
    overlay: OverlayInput | None = None,
    subtitles: SubtitlesInput | None = None,
    low_latency: bool = False,
    loopback: bool = False,
) -> list[str]:
    """`inputs`: the arguments of each input, in order, from `ffmpeg.inputs`.

    `loopback`: what changes in the sound is converted before it comes to the filters that hold it back; of the ffmpeg of
    `loopback_ffmpeg` alone. `low_latency`: each picture comes out as soon as it went in, at some cost in quality.
    """
    graphs = filter_graphs(source, house, item_range, overlay=overlay, subtitles=subtitles, loopback=loopback)
    if lifted := upload(house):
        graphs = (f"{graphs[0].removesuffix('[v]')}{lifted}[v]", *graphs[1:])
    length = [] if item_range.length_seconds is None else ["-t", f"{item_range.length_seconds:.6f}"]
    return [
        *_inputs(ffmpeg, [device_arguments(house), *_economical(inputs, source, house)]),
        *([] if source.sound is not None else ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo"]),
        *(word for graph in graphs for word in ("-filter_complex", graph)),
        *(["-map", "[heard]", "-c:a", "pcm_f32le", *length, "-f", "null", "-", "-dec", "0:0"] if loopback else []),
        *("-map", "[v]"),
        # ffmpeg 5.1 applies -shortest only to a stream that does not come out of the graph.
        *(["-map", "[a]"] if source.sound is not None else ["-map", f"{len(inputs)}:a", "-shortest"]),
        *length,
        # From 0 on, whatever the pictures' times: the one before a gap is repeated, and those of the past are dropped.
        *("-r", str(house.frame_rate), "-fps_mode", "cfr"),
        # Encoder delay has times below 0, which the muxer would shift by its first packet.
        *("-output_ts_offset", "1"),
        *(low_latency_arguments(house) if low_latency else []),
        *house_arguments(house),
    ]


def _economical(inputs: Sequence[Sequence[str]], source: SourceFacts, house: HouseFormat) -> list[Sequence[str]]:
    """The inputs as they are, or with a picture that is decoded roughly: without its last filter and most of what is left out."""
    picture = source.picture
    if house.economy is not Economy.COARSE or picture is None or picture.still or picture.stands:
        return list(inputs)
    rough = ("-skip_loop_filter:v", "all", "-skip_frame:v", "noref")
    return [(*rough, *one) if index == picture.input_index else one for index, one in enumerate(inputs)]


def copy_command(ffmpeg: Path, inputs: Sequence[Sequence[str]], *, source: SourceFacts) -> list[str]:
    """The command line for passthrough: the packets of a source in house format, with picture and sound, unchanged."""
    assert source.picture is not None and source.sound is not None  # noqa: S101, PT018 - the caller has checked it
    picture, sound = source.picture, source.sound
    return [
        *_inputs(ffmpeg, inputs),
        *("-map", f"{picture.input_index}:v:{picture.stream_index}"),
        *("-map", f"{sound.input_index}:a:{sound.stream_index}"),
        *("-output_ts_offset", "1"),
        *copy_arguments(),
    ]


def _inputs(ffmpeg: Path, inputs: Sequence[Sequence[str]]) -> list[str]:
    quiet = ("-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning")
    return [str(ffmpeg), *quiet, *(word for one in inputs for word in one)]
