"""The output `telegram` with everything around it on the loopback: Telegram, an RTMP server that knows the key, a program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog

from stands import secrets
from stands.key_judge import key_judge
from stands.nginx_rtmp import NginxRtmp
from stands.program import Clip, Program
from stands.telegram_dc.server import TelegramStand
from stands.waiting import wait_until
from tg_video_streamer.app.keep_running import keep_running
from tg_video_streamer.app.restarts import Restarts
from tg_video_streamer.app.telegram import TelegramContext, TelegramService, make_telegram
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.events import Event, EventBus
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.outputs.target import OutputKind, OutputTarget
from tg_video_streamer.outputs.telegram.watch import WatchPace
from tg_video_streamer.settings.settings import load_settings

KEY = "5001:first-key"
secrets.never_shown(KEY)
QUICK = WatchPace(check_seconds=0.2, grace_seconds=1.5, title_seconds=0.5)
"""For tests that must not wait as long as viewers may."""


class LiveChannel:
    """A context with a loopback Telegram and RTMP server; `start` runs the output's own parts on it, as the service does."""

    def __init__(self, folder: Path, clip: Clip) -> None:
        self.folder = folder
        self.clip = clip
        self.events: list[Event] = []
        self.logs: list[Any] = []
        self.expired = 0
        self.parts: TelegramService
        self.loop = asyncio.new_event_loop()
        self._stack = ExitStack()
        self._running: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        stack = self._stack
        self.logs = stack.enter_context(structlog.testing.capture_logs())
        self.stand = stack.enter_context(TelegramStand())
        judge = stack.enter_context(key_judge(lambda key: key == self.stand.chat().rtmp[1]))
        self.nginx = stack.enter_context(NginxRtmp(self.folder / "nginx", more=judge.directive))
        self.hand_out(KEY)
        self.program = stack.enter_context(Program(self.clip))
        thread = threading.Thread(target=self.loop.run_forever, name="service loop")
        thread.start()
        stack.callback(self.loop.close)
        stack.callback(thread.join)
        stack.callback(lambda: self.loop.call_soon_threadsafe(self.loop.stop))
        return self

    def __exit__(self, *_error: object) -> None:
        if self._running is not None:
            self.stop()
        self._stack.close()
        secrets.look(f"{self.logs} {self.events}", "the log of the channel")

    # --- Telegram

    def hand_out(self, key: str) -> None:
        """The key of the chat's live stream is this one from now on."""
        secrets.never_shown_here(key)
        url = f"rtmp://127.0.0.1:{self.nginx.port}/live/"
        self.stand.do(lambda: setattr(self.stand.chat(), "rtmp", (url, key)))

    @property
    def key(self) -> str:
        """The key that counts now."""
        return self.stand.chat().rtmp[1]

    # --- the service's side

    @property
    def env_file(self) -> Path:
        """Its settings."""
        return self.folder / ".env"

    def write_env(self, session: str = "", **more: str) -> None:
        """Write the settings."""
        values = self.stand.settings(session) | {
            "CHAT_ID": "@testchan",
            "TELEGRAM_TRANSPORT": "rtmp",
            "STATE_DIR": str(self.folder / "state"),
            **more,
        }
        fresh = self.folder / ".env.fresh"
        fresh.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        fresh.chmod(0o600)
        fresh.replace(self.env_file)

    def start(self, **options: Any) -> None:
        """Make the parts from the settings and run them; `options` are those of make_telegram."""
        self.parts = self.run(self._make(options))
        self.parts.output.handler.start()
        self._running = self.run(self._started())

    async def _make(self, options: dict[str, Any]) -> TelegramService:
        self.bus = EventBus(self.loop)
        self.bus.subscribe(self.events.append)
        clock = SystemClock()
        around = TelegramContext(
            fanout=self.program.fanout,
            house=self.clip.house,
            events=self.bus,
            notifier=Notifier((), after_seconds=0, clock=clock, redact=str),
            clock=clock,
            expired=self._expired,
        )
        target = OutputTarget(name="telegram-1", kind=OutputKind.TELEGRAM)
        loaded = load_settings(self.env_file, {})
        quick: dict[str, Any] = {"pace": QUICK, "connection_pauses": Backoff(first=0.05, longest=0.2)}
        return make_telegram(target, loaded, around, **(quick | options))

    async def _started(self) -> asyncio.Task[None]:
        restarts = Restarts(clock=SystemClock(), publish=self.bus.publish)
        return self.loop.create_task(self.parts.run(partial(keep_running, restarts=restarts)))

    def stop(self) -> None:
        """End the parts, as the service's end does."""
        self.parts.output.handler.stop()
        self.run(self._ended())

    async def _ended(self) -> None:
        running, self._running = self._running, None
        assert running is not None
        running.cancel()
        await asyncio.wait({running}, timeout=120)
        assert running.cancelled(), f"the parts did not end as they should: {running!r}"

    def run(self, work: Any) -> Any:
        """Run a coroutine in the service's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def _expired(self) -> None:
        self.expired += 1

    # --- what is seen

    @property
    def state(self) -> OutputState:
        """The output's."""
        return self.parts.output.handler.status().state

    @property
    def error(self) -> str:
        """The output's last one, in English; empty for none."""
        return str(self.parts.output.handler.status().error or "")

    def until(self, fact: Callable[[], object], what: str, *, timeout: float = 60.0) -> None:
        """Wait for a fact; if it does not come, the failure says what is known."""
        try:
            wait_until(fact, what=what, timeout=timeout)
        except AssertionError as error:
            status = self.parts.output.handler.status()
            raise AssertionError(f"{error}\n{status}\n{self.parts.facts()}\n{self.logs[-20:]}") from None

    def until_on_air(self) -> None:
        """Until the output says so and the server records."""
        self.until(lambda: self.state is OutputState.ON_AIR, "on air")

    def logged(self, event: str) -> list[Any]:
        """The log lines with this text."""
        return [line for line in self.logs if line["event"] == event]
