"""Sends changes to all open pages as server-sent events, built once a second and only while a page is open."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.history_sampler import SAMPLE_SECONDS
from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.client_address import Client
from tg_video_streamer.web.connection import ConnectionLimits
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.language import language_of, plain_answer
from tg_video_streamer.web.pages.on_air import chart_fragments, live_fragments
from tg_video_streamer.web.pages.refresh import part_versions

TICK_SECONDS = 1.0
_RETRY_MILLISECONDS = 2000


@dataclass(kw_only=True, slots=True)
class _Snapshot:
    """The last fragments in one language."""

    tick: int = -1
    previous_tick: int = -1
    fragments: Mapping[str, str] = field(default_factory=dict)
    message: bytes = b""
    """The changes since the previous tick."""


class PageUpdates:
    """The event streams of all open pages. Use it in the event loop's thread only."""

    def __init__(self, fragments: Callable[[Language], Mapping[str, str]], *, clock: Clock) -> None:
        """`fragments` returns the current fragments by name."""
        self._fragments = fragments
        self._clock = clock
        self._snapshots: dict[Language, _Snapshot] = {}
        self._closed = asyncio.Event()
        self._listeners: Counter[Client] = Counter()
        self.limits = ConnectionLimits()
        """Set by the server."""

    @property
    def listeners(self) -> int:
        """Open streams."""
        return self._listeners.total()

    def is_full(self, client: Client) -> bool:
        """Whether `client` gets no further stream: it has its share, or there are too many in all."""
        own = self._listeners[client]
        return own >= self.limits.event_streams_per_client or self.listeners >= self.limits.event_streams

    async def stream(self, language: Language, client: Client) -> AsyncIterator[bytes]:
        """All fragments first, then at each tick the changes; empty changes are sent too, so that silence means a fault."""
        self._listeners[client] += 1
        try:
            yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
            snapshot = self._snapshot(language)
            sent_tick = snapshot.tick
            yield _message(snapshot.fragments)
            while not self._closed.is_set():
                await self._next_tick()
                snapshot = self._snapshot(language)
                if snapshot.tick == sent_tick:
                    continue
                # A stream that missed a snapshot gets all fragments: older changes are not stored.
                yield snapshot.message if snapshot.previous_tick == sent_tick else _message(snapshot.fragments)
                sent_tick = snapshot.tick
        finally:
            self._listeners[client] -= 1
            self._listeners += Counter()  # drops zeros

    def close(self) -> None:
        """End all streams."""
        self._closed.set()

    async def _next_tick(self) -> None:
        """All streams wake together; the first one builds the snapshot."""
        left = TICK_SECONDS - self._clock.monotonic() % TICK_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left + 0.005):
                await self._closed.wait()

    def _snapshot(self, language: Language) -> _Snapshot:
        snapshot = self._snapshots.setdefault(language, _Snapshot())
        tick = int(self._clock.monotonic() / TICK_SECONDS)
        if tick != snapshot.tick:
            fresh = self._fragments(language)
            changed = {name: text for name, text in fresh.items() if snapshot.fragments.get(name) != text}
            message = _message(changed)
            self._snapshots[language] = snapshot = _Snapshot(
                tick=tick, previous_tick=snapshot.tick, fragments=fresh, message=message
            )
        return snapshot


def page_updates(context: WebContext) -> PageUpdates:
    """The event streams of the running service."""
    charts: dict[Language, tuple[float, Mapping[str, str]]] = {}

    def fragments(language: Language) -> Mapping[str, str]:
        words, now = Translator(language=language), context.clock.monotonic()
        if language not in charts or now - charts[language][0] >= SAMPLE_SECONDS:
            charts[language] = (now, chart_fragments(context, words))
        return {**live_fragments(context, words), **charts[language][1], **part_versions(context)}

    return PageUpdates(fragments, clock=context.clock)


def routes(pages: PageUpdates, access: Access) -> list[Route]:
    """The stream at `/events`."""

    async def events(request: Request) -> Response:
        client = access.client(request)
        if pages.is_full(client):
            return plain_answer(request, "web.too_many_pages", status=503, headers={"Retry-After": "10"})
        return StreamingResponse(pages.stream(language_of(request), client), media_type="text/event-stream")

    return [Route("/events", events, methods=["GET"])]


def _message(fragments: Mapping[str, str]) -> bytes:
    return f"data: {json.dumps(fragments, ensure_ascii=False, separators=(',', ':'))}\n\n".encode("utf-8", "replace")
