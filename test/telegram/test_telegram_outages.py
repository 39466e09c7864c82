"""Telegram out of reach while a live stream is on air: not a frame is missing, nothing storms, and it is found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stands.clips import MINUTE
from stands.live_channel import LiveChannel
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import make_clip
from stands.program import Clip
from stands.received import arrived, decoded_pictures, difference, pictures
from stands.service import Service, running
from stands.telegram_dc.server import StreamState, TelegramStand
from stands.waiting import wait_until
from tg_video_streamer.app.telegram import CONNECTION_PAUSES
from tg_video_streamer.outputs.state import OutputState

FOR_LONG = pytest.mark.parametrize("seconds", [6.0, pytest.param(30.0, marks=pytest.mark.long)])
MOST_CPU = 0.05
"""Of a core, for all that an outage adds."""


@pytest.fixture
def channel(tmp_path: Path, house_clip: Clip) -> Iterator[LiveChannel]:
    """A channel with Telegram's word that the stream arrives."""
    with LiveChannel(tmp_path, house_clip) as made:
        made.stand.do(lambda: setattr(made.stand.world, "stream", StreamState.ADVANCING))
        made.write_env(made.stand.session_string())
        yield made


def confirmed(channel: LiveChannel, what: str) -> None:
    """Wait until Telegram says that the stream arrives; a minute's connections may have been used up."""
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", what, timeout=90)


def whole(channel: LiveChannel) -> None:
    """There is one record, and a decoder finds each frame of the program in it."""
    channel.stop()
    (record,) = channel.nginx.records()
    packets = arrived(record)
    assert difference(packets, channel.program.published) is None
    assert decoded_pictures(record) == pictures(packets) > 0


def gone(stand: TelegramStand) -> Callable[[], None]:
    """Nothing listens; the way back."""
    stand.stop()
    return stand.start


def accept_and_close(stand: TelegramStand) -> Callable[[], None]:
    """Connections are taken and closed at once; the way back."""
    stand.refuse()
    return lambda: stand.refuse(on=False)


def silent(stand: TelegramStand) -> Callable[[], None]:
    """Everything is read and nothing answered; the way back."""
    stand.silence()
    return lambda: stand.silence(on=False)


@FOR_LONG
@pytest.mark.parametrize("outage", [pytest.param(gone, marks=pytest.mark.long), accept_and_close, silent])
def test_an_outage_mid_stream(
    channel: LiveChannel, outage: Callable[[TelegramStand], Callable[[], None]], seconds: float
) -> None:
    """However Telegram's servers fail, the stream stays whole, the session stays valid, and Telegram is asked again afterwards."""
    # With the pauses that the service has: the test's own quick ones would use up a minute's connections.
    channel.start(connection_pauses=CONNECTION_PAUSES)
    confirmed(channel, "confirmed")
    made = channel.stand.connections_made
    back = outage(channel.stand)
    until = time.monotonic() + seconds
    while time.monotonic() < until:  # the length of the outage is what is tested
        assert channel.state is OutputState.ON_AIR
        assert not channel.parts.facts().degraded
        time.sleep(0.1)
    attempts = channel.stand.connections_made - made
    back()
    asked = len(channel.stand.asked("phone.getGroupCallStreamChannels"))
    channel.until(
        lambda: len(channel.stand.asked("phone.getGroupCallStreamChannels")) > asked + 1, "asked again", timeout=90
    )
    confirmed(channel, "confirmed again")
    # Twenty a minute, and one more data center that is asked for its channels.
    assert attempts <= 20 * max(1.0, seconds / 60) + 5
    assert channel.logged("SessionUnreachable") == []
    whole(channel)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off(channel: LiveChannel, hours: int) -> None:
    """A host whose clock is an hour off has its live stream on air, confirmed, and finds its way back after a hang-up."""
    channel.stand.do(lambda: setattr(channel.stand.world, "clock_offset", hours * 3600.0))
    channel.start()
    confirmed(channel, "confirmed")
    channel.stand.drop()
    asked = len(channel.stand.asked("phone.getGroupCallStreamChannels"))
    channel.until(lambda: len(channel.stand.asked("phone.getGroupCallStreamChannels")) > asked + 1, "asked again")
    confirmed(channel, "confirmed again")
    whole(channel)


# The whole service


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of a minute."""
    folder = tmp_path_factory.mktemp("media")
    make_clip(folder / "item.mp4", MINUTE)
    return folder / "item.mp4"


def cpu_share(service: Service, seconds: float) -> float:
    """What the main process uses of a core in the next `seconds`; its encoders are processes of their own."""
    process = psutil.Process(service.process.pid)
    began, before = time.monotonic(), process.cpu_times()
    time.sleep(seconds)  # the span that is measured
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.monotonic() - began)


@pytest.mark.long
@FOR_LONG
def test_accept_and_close_costs_nothing(tmp_path: Path, item: Path, seconds: float) -> None:
    """A Telegram that accepts and closes adds less than 5 % of a core to what the service uses on air."""
    with NginxRtmp(tmp_path / "nginx") as nginx, TelegramStand() as stand:
        stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", "telegram-key")))
        (tmp_path / "playlist.txt").write_text(f"{item}\n")
        settings = stand.settings(stand.session_string()) | {
            "CHAT_ID": "@testchan",
            "TELEGRAM_TRANSPORT": "rtmp",
            "PLAYLIST": str(tmp_path / "playlist.txt"),
            "MEDIA_DIRS": str(item.parent),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast",
        }
        with running(tmp_path / "service", settings) as service:
            service.wait_on_air()
            wait_until(lambda: nginx.recorded_bytes() > 100_000, what="the server records")
            usual = cpu_share(service, seconds)
            made = stand.connections_made
            stand.refuse()
            troubled = cpu_share(service, seconds)
            assert troubled - usual < MOST_CPU
            assert stand.connections_made - made <= 25
            assert not service.status()["degraded"]
            assert {one["state"] for one in service.status()["outputs"]} == {"on_air"}
