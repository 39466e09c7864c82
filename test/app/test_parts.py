"""Each part of a service on air is broken, in each state that it can be in: it is back, its state is true, the outputs stay."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from stands import secrets
from stands.breakable import BreakableService, breakable_service, until
from stands.http_server import QuietHandler, http_server
from stands.live_publisher import publishing
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip
from stands.ports import free_port
from stands.recording import read_recording, slot_faults
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID, StreamState
from tg_video_streamer.app.restarts import TIMES
from tg_video_streamer.control.socket.client import ask
from tg_video_streamer.events import CutReason, OutputChanged, SegmentEnded
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.telegram.session.web_login_state import WebLoginStep

KEY = "5001:parts-key"
LIVE_KEY = "a-long-live-key"
secrets.never_shown(KEY, LIVE_KEY)


class Stand:
    """Everything around the service, and the service."""

    def __init__(self, folder: Path, telegram: TelegramStand, nginx: NginxRtmp) -> None:
        self.folder = folder
        self.telegram = telegram
        self.nginx = nginx
        self.live_port = free_port()
        self.metrics_port = free_port()
        self.beats = 0
        self.hooks = 0
        self.service: BreakableService

    def settings(self, heartbeat_port: int) -> dict[str, str]:
        """Those that start every part."""
        playlist = self.folder / "playlist.txt"
        for number, name in enumerate(("one", "two", "three"), start=1):
            make_clip(self.folder / f"{name}.mp4", Plan(item_id=number, frames=200, width=320, height=180))
        (self.folder / "filler").mkdir()
        make_clip(self.folder / "filler" / "filler.mp4", Plan(item_id=9, frames=200, width=320, height=180))
        playlist.write_text("one.mp4\ntwo.mp4\nthree.mp4\n")
        return self.telegram.settings(self.telegram.session_string()) | {
            "PLAYLIST": str(playlist),
            "FILLER_DIR": str(self.folder / "filler"),
            "OUTPUTS": "telegram",
            "CHAT_ID": "@testchan",
            "CHAT_COMMANDS": "1",
            "TELEGRAM_TRANSPORT": "rtmp",
            "VIDEO_QUALITY": "480p",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast",
            "LIVE_INGEST": f"rtmp://127.0.0.1:{self.live_port}/live/{LIVE_KEY}",
            "HEARTBEAT_URL": f"http://127.0.0.1:{heartbeat_port}/",
            "WEBHOOKS": f"http://127.0.0.1:{heartbeat_port}/",
            "PROMETHEUS_PORT": str(self.metrics_port),
            "BUFFER_SECONDS": "2",
        }

    # What is true of a part that works

    async def session(self) -> None:
        """It is valid, and was seen to be."""
        await until(lambda: self.service.status().session_state == "valid", "a valid session")
        assert self.service.status().session_seen_wall is not None

    async def watch(self) -> None:
        """The output is looked at again, and Telegram is asked about it."""
        await until(lambda: self.service.status().outputs[0].state == "on_air", "on air")
        asked = len(self.telegram.asked("phone.getGroupCall"))
        await until(lambda: len(self.telegram.asked("phone.getGroupCall")) > asked, "Telegram is asked")

    async def login(self) -> None:
        """A login shows its code, and can be given up."""
        login = self.service.parts.telegram
        assert login is not None
        login.web_login.begin_qr("a test")
        await until(lambda: login.web_login.state.step is WebLoginStep.QR, "a code to scan")
        login.web_login.cancel()
        await until(lambda: login.web_login.state.step is WebLoginStep.IDLE, "no login")

    async def chat(self) -> None:
        """One `/skip` has one answer, and skips one item."""
        await self.session()
        await self.follows_chat()
        await until(lambda: self.service.status().channel_state == "on_air", "an item on air")
        before = self.skipped
        asked = self.telegram.say("/skip", None)
        await until(lambda: self.telegram.answers(asked, CHANNEL_ID), "an answer")
        await until(lambda: self.skipped > before, "the item is skipped")
        again = self.telegram.say("/now", None)
        await until(lambda: self.telegram.answers(again, CHANNEL_ID), "an answer")
        assert len(self.telegram.answers(asked, CHANNEL_ID)) == 1
        assert self.skipped == before + 1

    @property
    def skipped(self) -> int:
        """How many items were skipped."""
        ended = (one for one in self.service.events if isinstance(one, SegmentEnded))
        return sum(one.reason is CutReason.SKIPPED for one in ended)

    async def follows_chat(self) -> None:
        """The chat is read, once."""

        def followers() -> int:
            telegram = self.service.parts.telegram
            account = telegram.keeper.account if telegram is not None else None
            return len(account._on_update) if account is not None else 0

        await until(lambda: followers() == 2, "the live stream and the chat are followed")

    async def live(self) -> None:
        """A publisher could connect."""
        await until(lambda: _accepts(self.live_port), "the live input listens")
        live = self.service.status().live
        assert live is not None
        assert live.state == "waiting"

    async def item(self) -> None:
        """An item is on air, and after a skip another one, as the webhook says."""
        commands = self.service.parts.control.commands
        await until(lambda: self.service.status().now is not None, "an item")
        await until(lambda: self.service.status().channel_state == "on_air", "on air")
        played, hooks = self.service.status().streams_played, self.hooks
        commands.skip()
        await until(lambda: self.service.status().streams_played > played, "the next item")
        await until(lambda: self.hooks > hooks, "a webhook")

    async def web(self) -> None:
        """The page, the API and the preview answer."""
        await self.answers(self.service.web_port, "/healthz")
        assert (await self.service.json())["healthy"]
        assert (await self.service.page("/preview/live.m3u8")).startswith("#EXTM3U")

    async def metrics(self) -> None:
        """They can be read where they could."""
        await self.answers(self.metrics_port, "/metrics")

    async def answers(self, port: int, path: str) -> None:
        """A page is there."""
        await until(lambda: _accepts(port), "a listener")
        assert await self.service.page(path, port)

    async def control(self) -> None:
        """The command line gets its answer."""
        found = await asyncio.to_thread(ask, self.service.parts.folder.folder, "status")
        assert found["healthy"]

    async def heart(self) -> None:
        """It beats, as each new one does at once."""
        await until(lambda: self.beats >= self.service.faults.starts["heartbeat"], "a heartbeat")

    async def history(self) -> None:
        """It is sampled, and no span is there twice."""
        history = self.service.parts.control.history
        await until(lambda: history.history().samples, "a sample")
        starts = [one.starts_wall for one in history.history().spans]
        assert len(set(starts)) == len(starts)

    async def runs(self) -> None:
        """It runs: what it does then is proved where it is tested."""
        await asyncio.sleep(0)


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


PARTS: dict[str, Callable[[Stand], Awaitable[None]]] = {
    "telegram session": Stand.session,
    "telegram watch": Stand.watch,
    "telegram login": Stand.login,
    "chat": Stand.chat,
    "live": Stand.live,
    "web": Stand.web,
    "metrics": Stand.metrics,
    "control": Stand.control,
    "heartbeat": Stand.heart,
    "webhooks": Stand.item,
    "history": Stand.history,
    "audience": Stand.runs,
    "notify": Stand.runs,
    "yt-dlp": Stand.runs,
    "systemd": Stand.runs,
    "spool": Stand.runs,
    "spooler": Stand.runs,
    "preparer": Stand.runs,
    "position": Stand.runs,
    "program state": Stand.runs,
    "playlist": Stand.item,
    "director": Stand.item,
    "scheduler": Stand.item,
    "backup": Stand.item,
    "filler": Stand.item,
    "files": Stand.item,
}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Telegram, and the server that it has its streams sent to."""
    with TelegramStand() as telegram, NginxRtmp(tmp_path / "nginx") as nginx:
        url = f"rtmp://127.0.0.1:{nginx.port}/live/"
        telegram.do(lambda: setattr(telegram.chat(), "rtmp", (url, KEY)))
        telegram.do(lambda: setattr(telegram.world, "stream", StreamState.ADVANCING))
        yield Stand(tmp_path, telegram, nginx)


async def test_each_part_is_made_anew(stand: Stand) -> None:
    """Whichever part breaks, also without a session and in a login: it is back, its state is true, no output notices."""
    async with on_air(stand):
        for name in PARTS:
            await stand.service.faults.break_part(name, "raise")
        # What is true then is asked once of all: each skip costs an encode.
        for works in dict.fromkeys(PARTS.values()):
            await works(stand)
        await _without_its_watcher(stand)
        await _without_a_session(stand)
        await _in_a_login(stand)
        await _is_a_problem(stand)


@pytest.mark.long
async def test_each_part_is_made_anew_in_each_state(stand: Stand) -> None:
    """The same for parts that are canceled from inside, on the operator's slate, and with a live stream on air."""
    async with on_air(stand):
        await _break_each(stand, "cancel")
        await _break_each(stand, "raise")
        await _without_its_watcher(stand)
        await _without_a_session(stand)
        await _in_a_login(stand)
        await _on_the_slate(stand)
        await _in_a_takeover(stand)
        await _is_a_problem(stand)


@asynccontextmanager
async def on_air(stand: Stand) -> AsyncIterator[None]:
    """The service with all its parts; after the block as many subscribers as before, and a stream without a hole."""

    class Handler(QuietHandler, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand.beats += 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            stand.hooks += 1
            self.send_response(204)
            self.end_headers()

    with http_server(Handler, name="heartbeat") as port:
        async with breakable_service(stand.folder, stand.settings(port), free_port()) as service:
            stand.service = service
            await until(lambda: service.status().healthy and service.status().now, "on air", seconds=120)
            await stand.session()
            await stand.follows_chat()
            service.events.clear()
            subscribers = _subscribers(service)
            assert set(service.faults.starts) == set(PARTS)
            yield
            await stand.follows_chat()
            assert _subscribers(service) == subscribers
            moves = [one.state for one in service.events if isinstance(one, OutputChanged)]
            assert [one for one in moves if one != OutputState.ON_AIR] == []
            report = service.parts.outputs[0].status()
            assert (report.state, report.reconnects, report.dropped_packets) == (OutputState.ON_AIR, 0, 0)
    (record,) = stand.nginx.records()
    assert slot_faults(read_recording(record)) == []


async def _break_each(stand: Stand, how: str) -> None:
    for name, works in PARTS.items():
        print(f"breaking {name}: {how}")  # noqa: T201 - says which one, where the test fails
        await stand.service.faults.break_part(name, how)
        await works(stand)


def _subscribers(service: BreakableService) -> dict[str, int]:
    """How many there are of each source."""
    bridge = service.parts.program.bridge._subscribers
    telegram = service.parts.telegram
    assert telegram is not None
    return {
        "events": len(service.parts.context.events._subscribers),
        "session": len(telegram.keeper._subscribers),
        **{f"playout {level}": len(found) for level, found in bridge.items()},
    }


async def _without_a_session(stand: Stand) -> None:
    """The session has ended: its parts break, and a new SESSION_STRING is taken all the same."""
    service = stand.service
    stand.telegram.revoke_all(401, "SESSION_REVOKED")
    await until(lambda: service.status().degraded, "the end of the session")
    for name in ("telegram session", "telegram watch", "chat"):
        await service.faults.break_part(name, "raise")
    await until(lambda: service.status().session_state in {"expired", "renewing"}, "no valid session")
    text = service.env_file.read_text()
    (old,) = [line for line in text.splitlines() if line.startswith("SESSION_STRING=")]
    service.env_file.write_text(text.replace(old, f"SESSION_STRING={stand.telegram.session_string()}"))
    await stand.session()
    assert not service.status().degraded
    await stand.chat()


async def _without_its_watcher(stand: Stand) -> None:
    """What holds the connection to Telegram has ended, and says nothing: there is another account soon."""
    telegram = stand.service.parts.telegram
    assert telegram is not None
    account = telegram.keeper.account
    assert account is not None
    assert account.watcher is not None
    account.watcher.cancel()
    await until(lambda: telegram.keeper.account not in {None, account}, "another account")
    await stand.session()


async def _in_a_login(stand: Stand) -> None:
    """A login that waits for a scan breaks: the page says so, and the next one begins."""
    telegram = stand.service.parts.telegram
    assert telegram is not None
    telegram.web_login.begin_qr("a test")
    await until(lambda: telegram.web_login.state.step is WebLoginStep.QR, "a code to scan")
    await stand.service.faults.break_part("telegram login", "raise")
    assert telegram.web_login.state.step in {WebLoginStep.FAILED, WebLoginStep.IDLE}
    await stand.login()


async def _on_the_slate(stand: Stand) -> None:
    """What decides on the program breaks while the operator's slate is shown."""
    service = stand.service
    service.parts.control.commands.pause()
    await until(lambda: service.status().level == "slate", "the slate")
    for name in ("director", "playlist", "scheduler", "filler", "backup"):
        await service.faults.break_part(name, "raise")
    assert service.status().paused
    service.parts.control.commands.resume()
    await stand.item()


async def _in_a_takeover(stand: Stand) -> None:
    """The live input breaks with its publisher on air: an item takes over, and the next publisher is admitted."""
    service = stand.service
    url = f"rtmp://127.0.0.1:{stand.live_port}/live/{LIVE_KEY}"
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac")
    for takeovers in (1, 2):
        with publishing(stand.folder / "one.mp4", url, stand.folder, encoder=encoder):
            await until(lambda: service.status().level == "live", "the live stream on air")
            await service.faults.break_part("live", "raise")
            await until(lambda: service.status().level == "item", "an item on air")
            live = service.status().live
            assert live is not None
            assert live.takeovers == takeovers
        await stand.live()


async def _is_a_problem(stand: Stand) -> None:
    """A part that broke three times is named wherever a person looks, and the service is healthy all the same."""
    while stand.service.faults.starts["chat"] <= TIMES:
        await stand.service.faults.break_part("chat", "raise")
    health = await stand.service.page("/healthz")
    assert health.startswith("ok\n")
    assert "the part chat fails again and again" in health
    found = await stand.service.json()
    assert found["healthy"]
    (chat,) = [one for one in found["parts"] if one["name"] == "chat"]
    assert chat["unstable"]
    assert "what it does not know" in json.dumps(chat["last_error"])
    assert 'tg_video_streamer_part_unstable{part="chat"} 1.0' in await stand.service.page(
        "/metrics", stand.metrics_port
    )
    assert "the part chat fails again and again" in await stand.service.page("/?lang=en")
