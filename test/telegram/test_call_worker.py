"""The call worker with a real ntgcalls in it, against a real far end; and the pure parts that it is made of."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from stands.call_program import FLASHES, ITEM_FRAMES, ITEMS, call_clip
from stands.group_call_sfu import Picture, Sfu
from stands.house import RATE
from stands.program import Clip
from stands.recording import luma_of, read_picture
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.child import FedChild
from tg_video_streamer.media import Kind, Stamped, seconds
from tg_video_streamer.outputs.flv_pipe import FlvPipe
from tg_video_streamer.outputs.telegram.call_adapter import worker_command
from tg_video_streamer.rtmp import flv
from tg_video_streamer.telegram.call.media import PIECE_SAMPLES, Pictures, Sound, Tag, i420, read_flv
from tg_video_streamer.telegram.call.worker import LEAD_SECONDS, Pacer

WIDTH, HEIGHT = 640, 360
LIP_SYNC_SECONDS = 0.040
_OPUS_LOOKAHEAD_SECONDS = 312 / 48000
"""By which decoded Opus is late against the sound that was encoded (RFC 7845, 4.2: the usual pre-skip)."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Two items, 7.7 s."""
    return call_clip(tmp_path_factory.mktemp("call"), width=WIDTH, height=HEIGHT)


class Fed:
    """A worker that a test feeds by hand."""

    def __init__(self, clip: Clip) -> None:
        house = clip.house
        self._command = worker_command(house)
        self._begin()
        self.pipe = FlvPipe(clip.headers, house)
        self._packets = clip.stamped()
        self._ready: list[Stamped] = []
        self._start: float | None = None

    def _begin(self) -> None:
        self.child = FedChild(self._command, clock=SystemClock(), cancelled=threading.Event())
        self.facts: list[dict[str, Any]] = []
        self._rest = b""

    def heard(self, word: str) -> Any:
        """The latest that it has said under this name, None where it has not."""
        *lines, self._rest = (self._rest + self.child.read()).split(b"\n")
        self.facts += [json.loads(line) for line in lines]
        return next((fact[word] for fact in reversed(self.facts) if word in fact), None)

    def join(self, sfu: Sfu) -> None:
        """Until the connection stands; where it does not, with a new worker, as the service does it."""
        for tries_left in (2, 1, 0):
            payload = wait_until(lambda: self.heard("join"), what="a join payload")
            self.child.write(sfu.answer(json.dumps(payload)).encode() + b"\n", stall_seconds=5)
            try:
                wait_until(lambda: self.heard("state") == "connected", what="a connection")
            except AssertionError as error:
                if not tries_left:
                    raise AssertionError(f"{error}; it said {self.facts[-3:]}") from None
                self.child.end()
                self._begin()
            else:
                return

    def play(self, until: int) -> None:
        """Feed the pictures up to number `until`, and their sound, in slices of 160 ms, in real time."""
        self._start = time.monotonic() if self._start is None else self._start
        for packet in self._packets:
            picture = packet.kind is Kind.VIDEO
            if picture and packet.ticks % (4 * RATE.frame_ticks) == 0:
                self.child.write(self.pipe.packed(self._ready), stall_seconds=5)
                self._ready = []
                time.sleep(max(0.0, self._start + seconds(packet.ticks) - time.monotonic()))
                self.heard("beat")
            self._ready.append(packet)
            if picture and packet.ticks == until * RATE.frame_ticks:
                return


@pytest.fixture
def fed(clip: Clip) -> Iterator[Fed]:
    """A running worker."""
    one = Fed(clip)
    yield one
    one.child.end()


def beginnings(pieces: list[tuple[int, Any]]) -> list[float]:
    """RTP seconds at which a beep begins."""
    found: list[float] = []
    for rtp_time, frame in pieces:
        # Planar or interleaved, a sample is loud or not.
        loud = np.abs(frame.to_ndarray().astype(np.float64)) > (0.2 if frame.format.name.startswith("flt") else 6500)
        per_sample = loud.any(axis=0) if frame.format.is_planar else loud.reshape(-1, 2).any(axis=1)
        for index in np.flatnonzero(per_sample):
            at = (rtp_time + int(index)) / 48000
            if not found or at - found[-1] > 0.5:
                found.append(at)
    return found


def lip_sync(sfu: Sfu) -> list[float]:
    """For each flash at the far end the seconds from it to its beep, positive where the sound is late."""
    pictures, sound = sfu.pictures(), sfu.sound()
    audio_packets = sfu.leg.packets[sfu.leg.audio_ssrc]
    # When each stream's clock reads 0, by the packet that was least held up on its way; sound leaves at a packet's end.
    video_zero = min(one.arrived - one.rtp_time / 90000 for one in pictures)
    packet_seconds = sound[0][1].samples / 48000
    audio_zero = min(at - packet.timestamp / 48000 for _, at, packet in audio_packets) - packet_seconds
    looks = [read_picture(luma_of(one.frame)) for one in pictures]
    flashes = [
        video_zero + one.rtp_time / 90000
        for before, look, one in zip(looks, looks[1:], pictures[1:], strict=False)
        if look.flash and not before.flash
    ]
    beeps = [audio_zero + at - _OPUS_LOOKAHEAD_SECONDS for at in beginnings(sound)]
    skews = [min((beep - flash for beep in beeps), key=abs) for flash in flashes]
    print(f"lip sync: {[round(skew * 1000) for skew in skews]} ms")  # noqa: T201 - a figure that is worth seeing
    return skews


def arrived(sfu: Sfu, frames: int) -> list[Picture]:
    """All `frames` pictures at the far end."""
    try:
        wait_until(lambda: len(sfu.pictures()) == frames, what=f"{frames} pictures at the far end", every=0.5)
    except AssertionError as error:
        missing = {ssrc: len(numbers) for ssrc, numbers in sfu.leg.missing.items()}
        raise AssertionError(f"{error}: {len(sfu.pictures())} came, packets missing by layer: {missing}") from None
    return sfu.pictures()


def test_numbered_frames_arrive_whole_and_in_time_with_their_sound(fed: Fed) -> None:
    """Over a change of items each picture arrives once, in order, at the top layer, 1/25 s apart; beeps match flashes."""
    with Sfu() as sfu:
        fed.join(sfu)
        frames = 2 * ITEM_FRAMES
        fed.play(frames)
        wait_until(lambda: fed.heard("frames") == frames, what="every picture handed over")
        pictures = arrived(sfu, frames)
        audio_packets = sfu.leg.packets[sfu.leg.audio_ssrc]
    looks = [read_picture(luma_of(one.frame)) for one in pictures]
    assert (pictures[-1].frame.width, pictures[-1].frame.height) == (WIDTH, HEIGHT)
    assert [(one.item_id, one.number) for one in looks] == [(item, n) for item in ITEMS for n in range(ITEM_FRAMES)]
    if not fed.heard("stalls"):  # a host that is too busy to feed in time makes pauses
        assert {later.rtp_time - one.rtp_time for one, later in pairwise(pictures)} == {3600}
    numbers = sorted(number for number, _, _ in audio_packets)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    skews = lip_sync(sfu)
    assert len(skews) == len(ITEMS) * len(FLASHES)
    if not fed.heard("stalls"):
        assert max(abs(skew) for skew in skews) < LIP_SYNC_SECONDS


@pytest.mark.long
@pytest.mark.timeout(900)
def test_lip_sync_after_ten_minutes(fed: Fed) -> None:
    """After 10 minutes in one call, sound and picture are as near to each other as at its beginning."""
    with Sfu() as sfu:
        fed.join(sfu)
        for minute in range(1, 14):
            stalls = fed.heard("stalls")
            if minute > 1:
                sfu.begin_anew()
            fed.play(minute * 60 * 25)
            if minute >= 10 and fed.heard("stalls") == stalls:  # a pause in a minute moves the clocks that are compared
                break
        skews = lip_sync(sfu)
    assert len(skews) > 10
    assert max(abs(skew) for skew in skews) < LIP_SYNC_SECONDS


def test_ends_when_the_program_ends(clip: Clip, fed: Fed) -> None:
    """At the end of its input the worker plays what it has and ends with code 0; a garbled answer is an error in a line."""
    with Sfu() as sfu:
        fed.join(sfu)
        fed.play(10)
        fed.child._stdin.close()
        with pytest.raises(ChildFailed, match="code 0"):
            wait_until(lambda: fed.heard("never"), what="the end")
    other = Fed(clip)
    wait_until(lambda: other.heard("join"), what="a join payload")
    other.child.write(b'{"transport": null}\n', stall_seconds=5)
    with pytest.raises(ChildFailed, match="code 1: "):
        wait_until(lambda: other.heard("never"), what="the error")
    other.child.end()


async def tags_of(data: bytes) -> list[Tag]:
    """Every tag of a file."""
    reader = asyncio.StreamReader(limit=1 << 20)
    reader.feed_data(data)
    reader.feed_eof()
    return [tag async for tag in read_flv(reader)]


async def test_flv_read_as_it_was_written(clip: Clip) -> None:
    """What the output writes, the worker reads; a torn last tag is left out."""
    packets = list(islice(clip.stamped(), 40))
    pipe = FlvPipe(clip.headers, clip.house)
    data = pipe.packed(packets[:7]) + pipe.packed(packets[7:])
    tags = await tags_of(data)
    assert [tag.kind for tag in tags[:3]] == [flv.SCRIPT, flv.VIDEO, flv.AUDIO]
    assert [tag.header for tag in tags[1:3]] == [True, True]
    assert not any(tag.header for tag in tags[3:])
    assert [tag.body[-len(one.data) :] for tag, one in zip(tags[3:], packets, strict=True)] == [
        one.data for one in packets
    ]
    assert [tag.milliseconds for tag in tags[3:]] == [round(one.ticks / 3) for one in packets]
    assert await tags_of(data[:-1]) == tags[:-1]
    late = flv.FILE_HEADER + flv.file_tag(flv.VIDEO, 0x7F123456, flv.PICTURE_HEAD, b"x")
    assert [tag.milliseconds for tag in await tags_of(late)] == [0x7F123456]


def test_media_in_the_shapes_that_webrtc_takes(clip: Clip) -> None:
    """Sound comes in pieces of 10 ms without a gap, and starts over after one; a picture is 1.5 bytes a pixel."""
    sound = Sound(clip.headers.audio)
    for slot in [*range(20), *range(40, 60)]:
        sound.decode(round(slot * 1024 / 48), clip.audio[slot])
    times = [at for at, _ in sound.pieces]
    assert {len(piece) for _, piece in sound.pieces} == {PIECE_SAMPLES * 4}
    assert times[:3] == [0, 480, 960]
    steps = [later - one for one, later in pairwise(times)]
    assert sum(step != PIECE_SAMPLES for step in steps) == 1
    assert 40 * 1024 in times
    pictures = Pictures(clip.headers.video)
    pictures.waiting.append((0, clip.video[0][1]))
    (frame,) = pictures.next()
    data = i420(frame)
    assert len(data) == WIDTH * HEIGHT * 3 // 2
    assert data == frame.to_ndarray(format="yuv420p").tobytes()


def test_pace_is_kept_and_kept_up() -> None:
    """Media is due at its own pace after a lead; what is late moves all that follows, and a pile is passed over."""
    pacer = Pacer()
    pacer.start(10.0, now=100.0)
    assert pacer.due(10.0) == pytest.approx(100.0 + LEAD_SECONDS)
    assert pacer.due(70.0) - pacer.due(10.0) == pytest.approx(60.0)
    assert not pacer.late(11.0, now=pacer.due(11.0) + 0.05)
    assert pacer.late(11.0, now=pacer.due(11.0) + 2.0)
    assert pacer.due(11.04) == pytest.approx(103.04 + LEAD_SECONDS)
    assert (pacer.stalls, pacer.jumps) == (1, 0)
    now = pacer.due(20.0)
    assert not pacer.overdue(22.9, now)
    assert pacer.overdue(23.1, now)
    assert pacer.due(23.1) == pytest.approx(now + LEAD_SECONDS)
    assert (pacer.stalls, pacer.jumps) == (1, 1)


def test_ntgcalls_stays_in_the_worker() -> None:
    """The worker alone loads ntgcalls: importing the output and the signalling does not."""
    code = "import tg_video_streamer.outputs.telegram.call_adapter, sys; sys.exit('ntgcalls' in sys.modules)"
    done = FedChild([sys.executable, "-c", code], clock=SystemClock(), cancelled=threading.Event())
    with pytest.raises(ChildFailed, match="code 0"):
        wait_until(done.read, what="the end")
    done.end()
