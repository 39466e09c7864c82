"""The whole service in the test's own event loop, each part of which can be broken: from inside, or by cancelling it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import structlog

from stands.service import PREPARED, copy_prepared
from tg_video_streamer.app.build import build
from tg_video_streamer.app.keep_running import Endless, MakePart, keep_running
from tg_video_streamer.app.restarts import Restarts
from tg_video_streamer.app.service import Service
from tg_video_streamer.app.startup import prepare
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.events import Event
from tg_video_streamer.settings.settings import load_settings

QUICK = Backoff(first=0.05, longest=0.05)
Answer = TypeVar("Answer")


class Broken(Exception):
    """What no part of the service expects."""


@dataclass
class Faults:
    """Keeps the parts of a service running as the service does, and breaks one on demand."""

    starts: Counter[str] = field(default_factory=Counter)
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _raised: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    def keep(
        self, name: str, make: MakePart, pauses: Backoff = QUICK, *, restarts: Restarts
    ) -> Coroutine[Any, Any, None]:
        """See KeepRunning; the pauses are short."""
        quick = Backoff(first=min(pauses.first, QUICK.first), longest=QUICK.longest)
        return keep_running(name, lambda: Endless(lambda: self._run(name, make)), quick, restarts=restarts)

    async def _run(self, name: str, make: MakePart) -> None:
        self.starts[name] += 1
        fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._raised[name] = fault
        task = self.running[name] = asyncio.get_running_loop().create_task(make().run())
        try:
            await asyncio.wait((task, fault), return_when=asyncio.FIRST_COMPLETED)
            if fault.done():
                fault.result()
            task.result()
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def break_part(self, name: str, how: str) -> None:
        """Break a part, and wait until another one runs in its place."""
        before = self.starts[name]
        if how == "raise":
            self._raised[name].set_exception(Broken(f"as if {name} had met what it does not know"))
        else:
            self.running[name].cancel()
        await until(lambda: self.starts[name] > before and not self.running[name].done(), f"{name} runs again")


@dataclass(kw_only=True)
class BreakableService:
    """One running service."""

    parts: Service
    faults: Faults
    web_port: int
    env_file: Path
    events: list[Event] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)

    def status(self) -> ServiceStatus:
        """What it says."""
        return self.parts.control.commands.status()

    async def page(self, path: str, port: int = 0) -> str:
        """A page of it, or of what listens on `port`."""
        return await asyncio.to_thread(_page, port or self.web_port, path)

    async def json(self) -> dict[str, Any]:
        """What the API says."""
        found: dict[str, Any] = json.loads(await self.page("/status.json"))
        return found


def _page(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        text: str = answer.read().decode()
    return text


async def until(fact: Callable[[], Answer], what: str, *, seconds: float = 60.0) -> Answer:
    """Wait in the event loop until a fact is there."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := fact()):  # noqa: ASYNC110 - facts of parts that have no event for them
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"after {seconds:g} s still not: {what}") from None
    return found


@asynccontextmanager
async def breakable_service(folder: Path, settings: dict[str, str], web_port: int) -> AsyncIterator[BreakableService]:
    """A service with these settings, for as long as the block lasts."""
    env_file = folder / ".env"
    values = {"STATE_DIR": str(folder / "state"), "WEB_PORT": str(web_port), **settings}
    env_file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    env_file.chmod(0o600)
    loaded = load_settings(env_file, {})
    stop = asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as background:
        # Hundreds of tracebacks would be drawn.
        logs = stack.enter_context(structlog.testing.capture_logs())
        claimed = stack.enter_context(ClaimedFolder(loaded.settings.state_dir))
        copy_prepared(PREPARED, loaded.settings.state_dir / "cache")
        prepared = await prepare(loaded.settings, background, demo=False)
        faults = Faults()
        parts = build(loaded, prepared, claimed, keep=faults.keep)
        service = BreakableService(parts=parts, faults=faults, web_port=web_port, env_file=env_file, logs=logs)
        parts.context.events.subscribe(service.events.append)
        running = background.create_task(parts.run(stop, table=False))
        try:
            yield service
            assert not running.done(), running
        finally:
            stop.set()
            await asyncio.wait((running,), timeout=60)
            running.cancel()
            prepared.cancel()
            copy_prepared(loaded.settings.state_dir / "cache", PREPARED)
