"""Fragments and segments contain the program packet for packet, with continuous times."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.house import FRAME_TICKS, RATE
from stands.program import Clip, Program
from tg_video_streamer.media import PACKET_TICKS, TICKS_PER_SECOND, Kind, Stamped
from tg_video_streamer.web.preview.fmp4 import init_segment
from tg_video_streamer.web.preview.fragments import (
    LISTED_SEGMENTS,
    STORED_SEGMENTS,
    TARGET_SECONDS,
    Fragment,
    Fragmenter,
    SegmentBuffer,
    playlist,
)

MOST_FRAMES = 13
"""Of a fragment: half a second."""


def cut(packets: Sequence[Stamped]) -> list[Fragment]:
    """All fragments that `packets` fill."""
    cutter = Fragmenter(RATE)
    return [fragment for one in packets if (fragment := cutter.push(one)) is not None]


def as_file(clip: Clip, fragments: Sequence[Fragment]) -> bytes:
    """An MP4 file of `fragments` that begins at its own time 0."""
    zero = fragments[0].first_ticks
    media = b"".join(one.header(zero) + one.content for one in fragments)
    return init_segment(clip.headers, clip.house) + media


@pytest.fixture
def published(clip: Clip) -> list[Stamped]:
    """Ten seconds of program, 35 days after its start."""
    program = Program(clip, first_frame=25 * 3600 * 24 * 35)
    program.publish(251)
    return program.published


@pytest.mark.parametrize("ffmpeg", ["ffmpeg", imageio_ffmpeg.get_ffmpeg_exe()], ids=["host", "wheel"])
def test_ffmpeg_decodes_every_picture(clip: Clip, published: list[Stamped], tmp_path: Path, ffmpeg: str) -> None:
    """Concatenated fragments are decoded by ffmpeg without a warning, frame for frame."""
    path = tmp_path / "preview.mp4"
    fragments = cut(published)
    path.write_bytes(as_file(clip, fragments))
    command = [ffmpeg, "-nostdin", "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(
        [*command[:4], "-progress", "pipe:1", *command[4:]], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    frames = [line for line in done.stdout.splitlines() if line.startswith("frame=")]
    assert int(frames[-1].removeprefix("frame=")) == sum(len(one.video_sizes) for one in fragments) == 250


def test_packets_arrive_unchanged_and_in_step(clip: Clip, published: list[Stamped], tmp_path: Path) -> None:
    """A player gets the program's own bytes, each frame 40 ms and each audio packet 1024 samples after the last."""
    path = tmp_path / "preview.mp4"
    path.write_bytes(as_file(clip, cut(published)))
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        packets = [packet for packet in container.demux(video, audio) if packet.size]
        assert (video.width, video.height, audio.rate, audio.channels) == (320, 180, 48_000, 2)
        assert bytes(video.codec_context.extradata or b"") == clip.headers.video
        assert bytes(audio.codec_context.extradata or b"") == clip.headers.audio
        for kind, stream, step in ((Kind.VIDEO, video, 120), (Kind.AUDIO, audio, 1024)):
            mine = [packet for packet in packets if packet.stream is stream]
            sent = [one for one in published if one.kind is kind]
            assert [bytes(packet) for packet in mine] == [one.data for one in sent[: len(mine)]]
            assert len(sent) - len(mine) < 30
            times = [packet.pts for packet in mine]
            assert times == [round((times[0] or 0) + step * index) for index in range(len(mine))]
            if kind is Kind.VIDEO:
                assert [packet.is_keyframe for packet in mine] == [one.keyframe for one in sent[: len(mine)]]


@given(
    st.lists(
        st.tuples(st.sampled_from(["picture", "keyframe", "sound", "loss"]), st.integers(min_value=0, max_value=4)),
        max_size=200,
    )
)
def test_every_packet_is_in_exactly_one_fragment(steps: list[tuple[str, int]]) -> None:
    """Fragments contain consecutive packets, and keyframes only at their start, for any order and loss."""
    video, audio = 0, 7
    packets = [Stamped(kind=Kind.VIDEO, ticks=video * FRAME_TICKS, keyframe=True, data=b"first")]
    for step, size in steps:
        if step == "sound":
            packets.append(Stamped(kind=Kind.AUDIO, ticks=audio * PACKET_TICKS, keyframe=True, data=b"a" * size))
            audio += 1
            continue
        video += 1 if step != "loss" else 5
        packets.append(
            Stamped(kind=Kind.VIDEO, ticks=video * FRAME_TICKS, keyframe=step == "keyframe", data=b"v" * size)
        )
    fragments = cut(packets)
    pictures = [one for one in packets if one.kind is Kind.VIDEO]
    taken = 0
    for number, fragment in enumerate(fragments):
        mine = pictures[taken : taken + len(fragment.video_sizes)]
        assert fragment.number == number
        assert 0 < len(mine) <= MOST_FRAMES
        assert [one.ticks for one in mine] == list(range(fragment.ticks, fragment.end_ticks, FRAME_TICKS))
        assert fragment.keyframe == mine[0].keyframe
        assert not any(one.keyframe for one in mine[1:])
        assert fragment.video_sizes == tuple(len(one.data) for one in mine)
        taken += len(mine)
    assert len(pictures) - taken < MOST_FRAMES
    sound = [size for one in fragments for size in one.audio_sizes]
    assert sound == [len(one.data) for one in packets if one.kind is Kind.AUDIO][: len(sound)]


def window_of(gop_frames: Sequence[int]) -> SegmentBuffer:
    """A segment buffer with GOPs of these lengths."""
    slots = (
        Stamped(kind=Kind.VIDEO, ticks=slot * FRAME_TICKS, keyframe=keyframe, data=b"x")
        for slot, keyframe in enumerate(index == 0 for frames in gop_frames for index in range(frames))
    )
    window = SegmentBuffer()
    for fragment in cut(list(slots)):
        window.add(fragment)
    return window


@given(st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=60))
def test_segments_keep_the_promised_length(gop_frames: list[int]) -> None:
    """Segments begin with a keyframe and never round to more than the target duration, however items are cut."""
    segments = window_of(gop_frames).listed()
    assert len(segments) <= LISTED_SEGMENTS
    for one, following in pairwise(segments):
        assert following.number == one.number + 1
        assert following.fragments[0].ticks == one.fragments[0].ticks + round(one.seconds * TICKS_PER_SECOND)
    for one in segments:
        assert one.fragments[0].keyframe
        assert round(one.seconds) <= TARGET_SECONDS


def test_playlist_names_the_newest_segments() -> None:
    """The playlist is live, in playing order, with increasing numbers."""
    window = window_of([50] * 12)
    lines = playlist(window.listed()).splitlines()
    assert lines[0] == "#EXTM3U"
    assert "#EXT-X-TARGETDURATION:2" in lines
    assert "#EXT-X-MEDIA-SEQUENCE:5" in lines
    assert [line for line in lines if not line.startswith("#")] == [f"segment-{number}.m4s" for number in range(5, 11)]
    assert lines.count("#EXTINF:2.000,") == LISTED_SEGMENTS
    assert "#EXT-X-ENDLIST" not in lines


def test_window_forgets_what_is_old() -> None:
    """Only the last segments are stored, a little longer than they are listed."""
    window = window_of([50] * 40)
    listed = window.listed()
    assert window.segment(listed[0].number - 1) is not None
    assert window.segment(listed[-1].number - STORED_SEGMENTS) is None


def test_viewers_follow_fragment_by_fragment() -> None:
    """A new or late viewer gets the newest keyframe, others the next fragment, and no one a fragment twice."""
    window = window_of([50] * 12)
    newest = window.after(None)
    assert newest is not None
    assert newest.keyframe
    assert window.after(0) == newest
    following = window.after(newest.number - 1)
    assert following == newest
    last = window.next_fragment - 1
    assert window.after(last) is None
    assert (one := window.after(last - 1)) is not None
    assert one.number == last
