"""Live takeover: a real publisher comes in, viewers are switched to it and back, and not a frame is missing."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from stands import secrets
from stands.channel import Channel, Record, on_air
from stands.house import GOP_FRAMES
from stands.live_publisher import LivePublisher, publishing
from stands.numbered import Plan, make_clip
from stands.page_visitor import PageVisitor
from stands.ports import free_port
from stands.recording import Look, luma_of, read_picture, skews, slot_faults
from stands.service import command_line
from stands.waiting import wait_until

_KEY = "a-key-that-nobody-guesses"
secrets.never_shown(_KEY)
_PATIENCE_SECONDS = 100.0
"""Nothing here is promised by the second: a host with other work to do may take its time."""
_ITEM, _LIVE = 5, 30
"""What the item's and the publisher's pictures say."""
_ENCODER = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the operator sends: a minute with a keyframe each second."""
    plan = Plan(item_id=_LIVE, frames=1500, width=426, height=240, flashes=(12,), encoder=_ENCODER)
    return make_clip(tmp_path_factory.mktemp("publisher") / "live.mp4", plan)


def _url(port: int, key: str = _KEY) -> str:
    return f"rtmp://127.0.0.1:{port}/live/{key}"


@contextmanager
def _open_channel(folder: Path, media: Path, port: int) -> Iterator[Channel]:
    """A channel with one long item on air, where a live stream may come in; the host may be busy."""
    with on_air(folder, media, lines=[media / "long.mp4"], wait=False, LIVE_INGEST=_url(port)) as channel:
        channel.service.wait_on_air(timeout=_PATIENCE_SECONDS)
        yield channel


def _wait_level(channel: Channel, level: str) -> dict[str, Any]:
    found: dict[str, Any] = channel.service.wait_for(
        lambda status: status["level"] == level and status, timeout=_PATIENCE_SECONDS, what=f"{level} is seen"
    )
    return found


def _refused(publisher: LivePublisher) -> str:
    """What a publisher that is sent away says of it."""
    wait_until(lambda: publisher.process.poll() is not None, what="the publisher gives up", timeout=_PATIENCE_SECONDS)
    return publisher.log


def _check(record: Record, *, slate: bool = False) -> None:
    """No slot is empty, no frame of either is missing or doubled, and the item continues at its own keyframe."""
    assert record.faults == []
    assert set(record.items) == ({_ITEM, _LIVE, None} if slate else {_ITEM, _LIVE})
    stretches = record.of(_ITEM)
    for before, after in pairwise(stretches):
        left = before.numbers[-1]
        assert left - GOP_FRAMES < after.numbers[0] <= left + 1
        assert after.numbers[0] % GOP_FRAMES == 0


@pytest.mark.timeout(400)
def test_the_channel_switches_to_the_operators_stream_and_back(media: Path, clip: Path, tmp_path: Path) -> None:
    """At once, without a missing frame either way; who has no key, or comes second, is sent away; no one sees the key."""
    port = free_port()
    with _open_channel(tmp_path, media, port) as channel:
        with publishing(clip, _url(port, "another-key-altogether"), tmp_path) as stranger:
            assert "the stream key is wrong" in _refused(stranger)
        since = channel.mark()
        with publishing(clip, _url(port), tmp_path) as operator:
            status = _wait_level(channel, "live")
            with publishing(clip, _url(port), tmp_path) as second:
                assert "another publisher is live already" in _refused(second)
            mine = [psutil.Process(channel.service.process.pid), *channel.service.children()]
            assert not [one for one in mine if _KEY in " ".join(command_line(one))]
            channel.wait_recorded(channel.mark() + 2)
            operator.end()
        back = _wait_level(channel, "item")
        channel.wait_recorded(channel.mark() + 3)
        metrics = channel.metrics()
        said = channel.ask("status")
        assert channel.service.stop() == 0
        record = channel.aired(since)

    _check(record)
    assert record.items[0] == _ITEM == record.items[-1]
    assert record.of(_LIVE)[0].numbers[0] == 0
    assert (status["channel_state"], status["reason"]["key"]) == ("on_air", "cut.takeover")
    assert status["now"]["title"] == "long"
    assert (status["live"]["place"], status["live"]["width"], status["live"]["height"]) == ("this_host", 426, 240)
    assert (back["reason"]["key"], back["gap_seconds"]) == ("cut.live_ended", 0)
    assert back["streams_played"] == 1
    assert re.search(r'tg_video_streamer_program_seconds_total\{level="live"\} [1-9]', metrics), metrics
    assert 'tg_video_streamer_live_ingest_state{state="waiting"} 1' in metrics
    assert re.search(r"tg_video_streamer_takeovers_total [1-9]", metrics), metrics
    assert "live input: no encoder is connected" in said
    assert "Live takeover" in [line["title"] for line in channel.as_run() if line["level"] == "live"]


def _still(channel: Channel, token: str) -> Look | None:
    """What the picture of the stream that waits shows; None while there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", channel.service.web_port, timeout=60)
    try:
        connection.request("GET", "/live/still.jpg", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        assert answer.status in {403, 404}
        return None
    with av.open(io.BytesIO(content), "r") as file:
        return read_picture(luma_of(next(file.decode(video=0))))


@pytest.mark.timeout(400)
def test_a_stream_may_come_over_srt(media: Path, clip: Path, tmp_path: Path) -> None:
    """By the same door: who has no passphrase, or comes second, is sent away; a caller that hangs loses its place."""
    port, srt_port, passphrase = free_port(), free_port(), "a-passphrase-of-srt"
    secrets.never_shown_here(passphrase)
    address = f"srt://127.0.0.1:{srt_port}?passphrase="
    with on_air(
        tmp_path, media, lines=[media / "long.mp4"], LIVE_INGEST=f"{_url(port)} {address}{passphrase}"
    ) as channel:
        with publishing(clip, f"{address}another-passphrase", tmp_path, container="mpegts") as stranger:
            assert "Connection to" in _refused(stranger)
        since = channel.mark()
        with publishing(clip, f"{address}{passphrase}", tmp_path, container="mpegts") as operator:
            status = _wait_level(channel, "live")
            with publishing(clip, _url(port), tmp_path) as second:
                assert "another publisher is live already" in _refused(second)
            mine = [psutil.Process(channel.service.process.pid), *channel.service.children()]
            assert not [one for one in mine if passphrase in " ".join(command_line(one))]
            channel.wait_recorded(channel.mark() + 2)
            operator.freeze()
            channel.service.wait_for(lambda status: status["live"]["state"] == "waiting", what="it lost its place")
        _wait_level(channel, "item")
        with publishing(clip, f"{address}{passphrase}", tmp_path, container="mpegts") as operator:
            _wait_level(channel, "live")
            channel.wait_recorded(channel.mark() + 1)
        _wait_level(channel, "item")
        channel.wait_recorded(channel.mark() + 3)
        said = channel.ask("status")
        record = channel.aired(since)
        secrets.look(channel.service.log, "the log")
    _check(record)
    assert len(record.of(_LIVE)) == 2
    assert (status["live"]["place"], status["live"]["width"], status["live"]["height"]) == ("srt", 426, 240)
    assert "live input: no encoder is connected" in said


@pytest.mark.timeout(400)
def test_a_stream_waits_until_it_is_taken(media: Path, clip: Path, tmp_path: Path) -> None:
    """With LIVE_TAKE=ask operators see what comes in, viewers do not; `take` puts it on air without a missing frame."""
    port, viewer = free_port(), "a-token-of-viewers"
    secrets.never_shown_here(viewer)
    with on_air(
        tmp_path,
        media,
        lines=[media / "long.mp4"],
        LIVE_TAKE="ask",
        LIVE_INGEST=_url(port),
        WEB_VIEWER_TOKEN=viewer,
    ) as channel:
        token = channel.ask("token").strip()
        secrets.never_shown_here(token)
        assert "no live stream waits" in channel.service.command("take").stderr
        assert _still(channel, token) is None
        since = channel.mark()
        with publishing(clip, _url(port), tmp_path) as operator:
            channel.service.wait_for(lambda status: status["live"]["state"] == "offered", what="it waits")
            seen = wait_until(lambda: _still(channel, token), what="its picture", every=0.2)
            assert seen is not None
            assert (seen.item_id, _still(channel, viewer)) == (_LIVE, None)
            page = PageVisitor(port=channel.service.web_port, token=token)
            assert 'action="/actions/take"' in page.ask("/").text
            # More than the lead that would put it on air by itself.
            channel.wait_recorded(channel.mark() + 3)
            status = channel.service.status()
            assert (status["level"], status["live"]["takeovers"]) == ("item", 0)
            channel.ask("take")
            _wait_level(channel, "live")
            assert 'action="/actions/take"' not in page.ask("/").text
            channel.wait_recorded(channel.mark() + 2)
            operator.end()
        _wait_level(channel, "item")
        channel.wait_recorded(channel.mark() + 3)
        record = channel.aired(since)
    _check(record)
    assert len(record.of(_LIVE)) == 1


@pytest.mark.long
@pytest.mark.timeout(600)
def test_whatever_becomes_of_the_publisher_the_item_goes_on(media: Path, clip: Path, tmp_path: Path) -> None:
    """Frozen and thawed, killed, its encoder killed, skipped, under the operator's slate: a frame is never missing."""
    port = free_port()
    with _open_channel(tmp_path, media, port) as channel:
        service = channel.service
        since = channel.mark()
        with publishing(clip, _url(port), tmp_path) as operator:
            _wait_level(channel, "live")
            operator.freeze()
            assert _wait_level(channel, "item")["reason"]["key"] == "cut.live_stalled"
            operator.thaw()
            _wait_level(channel, "live")
            (child,) = [one for one in service.feeds() if "flv" in command_line(one)]
            child.kill()
            # The item may be on air for a few frames only: the next encoder is nearly ready.
            wait_until(
                lambda: "live_failed" in [line["reason"] for line in channel.as_run()],
                what="the live stream left with its encoder",
                timeout=_PATIENCE_SECONDS,
            )
            _wait_level(channel, "live")
            operator.kill()
            assert _wait_level(channel, "item")["reason"]["key"] == "cut.live_ended"
        with publishing(clip, _url(port), tmp_path) as operator:
            _wait_level(channel, "live")
            assert "skipped Live takeover" in channel.ask("skip")
            status = _wait_level(channel, "item")
            assert status["live"]["state"] == "ignored"
            channel.wait_recorded(channel.mark() + 6)
            assert service.status()["level"] == "item"
            operator.end()
        with publishing(clip, _url(port), tmp_path):
            _wait_level(channel, "live")
            channel.ask("pause")
            assert _wait_level(channel, "slate")["live"]["state"] == "arriving"
            channel.ask("resume")
            _wait_level(channel, "live")
        _wait_level(channel, "item")
        channel.wait_recorded(channel.mark() + 3)
        gap = service.status()["gap_seconds"]
        assert service.stop() == 0
        record = channel.aired(since)
    _check(record, slate=True)
    assert gap == 0


_ODD = {
    "full HD, mono, 29.97": (Plan(item_id=_LIVE, frames=450, rate=29.97, width=1920, height=1080, channels=1), 0.06),
    "60 fps and B-frames": (Plan(item_id=_LIVE, frames=900, rate=60, width=854, height=480, sample_rate=44100), 0.06),
    "a phone, no sound": (Plan(item_id=_LIVE, frames=225, rate=15, width=360, height=640, channels=0), None),
}


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", _ODD)
def test_any_shape_and_rate_is_taken(media: Path, tmp_path: Path, name: str) -> None:
    """Whatever an encoder is set to comes out in the channel's own format, on its grid, with lip sync."""
    plan, limit = _ODD[name]
    flashes = tuple(range(round(plan.rate), plan.frames, round(plan.rate)))
    encoder = (*_ENCODER, "-bf", "2")
    folder = tmp_path / "publisher"
    folder.mkdir()
    shape = {field: getattr(plan, field) for field in ("item_id", "frames", "rate", "width", "height", "channels")}
    clip = make_clip(folder / "odd.mp4", Plan(**shape, sample_rate=plan.sample_rate, flashes=flashes, encoder=encoder))
    port = free_port()
    with _open_channel(tmp_path / "channel", media, port) as channel:
        since = channel.mark()
        with publishing(clip, _url(port), folder) as operator:
            _wait_level(channel, "live")
            wait_until(lambda: operator.process.poll() is not None, what="the clip is over", timeout=_PATIENCE_SECONDS)
        _wait_level(channel, "item")
        channel.wait_recorded(channel.mark() + 3)
        assert channel.service.stop() == 0
        record = channel.aired(since)
    assert slot_faults(record.recording) == []
    assert set(record.items) == {_ITEM, _LIVE}
    for stretch in record.of(_LIVE):
        assert stretch.numbers == sorted(stretch.numbers)
    if limit is not None:
        found = skews(record.recording)
        assert found
        assert max(abs(skew) for skew in found) < limit
