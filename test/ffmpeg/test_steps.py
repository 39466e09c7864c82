"""The steps by which an encode gets cheaper keep the codec headers of the full one."""

from __future__ import annotations

import subprocess
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types
import pytest

from stands.house import house_of
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.command import feed_command
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.house import Economy, HouseFormat
from tg_video_streamer.ffmpeg.source import Picture, SourceFacts
from tg_video_streamer.ffmpeg.steps import EncodeStep, relative_cost, stepped, usable_steps
from tg_video_streamer.ffmpeg.validate import trial_command

OPERATORS = (
    (),
    ("-preset", "superfast"),
    ("-preset", "faster"),
    ("-preset", "medium", "-x264-params", "ref=2:aq-mode=2"),
    ("-preset", "slow", "-x264-params", "chroma-qp-offset=1"),
    ("-profile:v", "main", "-crf", "24"),
    ("-tune", "film"),
    ("-tune", "zerolatency"),
    ("-profile:v", "baseline"),
)
PROGRAMS = (find_ffmpeg(), Path(imageio_ffmpeg.get_ffmpeg_exe()))


@pytest.mark.parametrize("program", PROGRAMS, ids=["host", "wheel"])
@pytest.mark.parametrize("operators", OPERATORS, ids=" ".join)
def test_every_step_writes_the_headers_of_the_full_one(operators: tuple[str, ...], program: Path) -> None:
    """Whatever step an item is encoded at, it can be spliced to the rest of the program."""
    house = house_of("160x128", *operators)
    steps = (EncodeStep.FULL, *(one for one in (EncodeStep.FASTER, EncodeStep.FASTEST) if one in usable_steps(house)))
    made = {_header(stepped(house, step), program) for step in steps}
    assert len(made) == 1


def _header(house: HouseFormat, program: Path) -> bytes:
    command = trial_command(house.encoder_arguments, house, program)
    done = subprocess.run(command, check=True, capture_output=True)
    with av.open(BytesIO(done.stdout), format="matroska") as container:
        return bytes(container.streams.video[0].codec_context.extradata or b"")


def test_steps_follow_the_encoder() -> None:
    """A preset that is fast already leaves fewer steps, and a hardware encoder only those of the pictures."""
    assert usable_steps(house_of("720p")) == tuple(EncodeStep)
    assert usable_steps(house_of("720p", "-preset", "superfast")) == (
        EncodeStep.FULL,
        EncodeStep.FASTEST,
        EncodeStep.HALF,
        EncodeStep.COARSE,
    )
    fewest = (EncodeStep.FULL, EncodeStep.HALF, EncodeStep.COARSE)
    assert usable_steps(house_of("720p", "-preset", "ultrafast")) == fewest
    assert usable_steps(house_of("720p", "-c:v", "h264_vaapi")) == fewest
    assert usable_steps(house_of("720p"), presets=False) == fewest


def test_each_step_costs_less_than_the_one_above() -> None:
    """A step down saves processor time."""
    order = list(EncodeStep)
    assert all(relative_cost(above, below) < 1 for above, below in pairwise(order))


def test_the_coarsest_step_decodes_roughly_and_makes_a_third_of_the_pictures() -> None:
    """At the last step pictures are left out before they are decoded and scaled, and the rate stays the program's."""
    house = stepped(house_of("720p"), EncodeStep.COARSE)
    assert house.economy is Economy.COARSE
    film = Picture(input_index=0, stream_index=0, codec="h264", width=1920, height=1080, frame_rate=25.0)
    source = SourceFacts(picture=film, sound=None, duration_seconds=10.0)
    words = feed_command(Path("ffmpeg"), [["-i", "in.mp4"]], source=source, house=house, item_range=ItemRange())
    assert words.index("-skip_frame:v") < words.index("-i")
    graph = words[words.index("-filter_complex") + 1]
    assert "fps=25/3" in graph
    assert graph.index("fps=25/3") < graph.index("scale=") < graph.rindex("fps=25,")
