"""Tells every open page what has changed: server-sent events, built once a second for all, and only while somebody listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.history_sampler import SAMPLE_SECONDS
from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.language import language_of
from tg_video_streamer.web.pages.live_parts import part_versions
from tg_video_streamer.web.pages.on_air import drawn_fragments, live_fragments

BEAT_SECONDS = 1.0
MOST_LISTENERS = 120
"""Each holds a connection, of which the server has 200."""
_RETRY_MILLISECONDS = 2000


@dataclass(kw_only=True, slots=True)
class _Edition:
    """What pages of one language were told last."""

    beat: int = -1
    before: int = -1
    """The beat of the edition before this."""
    fragments: Mapping[str, str] = field(default_factory=dict)
    message: bytes = b""
    """What has changed since the beat before."""


class LivePages:
    """All open pages. Every method belongs to the event loop's thread."""

    def __init__(self, fragments: Callable[[Language], Mapping[str, str]], *, clock: Clock) -> None:
        """`fragments`: what there is to be told now, by name."""
        self._fragments = fragments
        self._clock = clock
        self._editions: dict[Language, _Edition] = {}
        self._closed = asyncio.Event()
        self.listeners = 0

    async def stream(self, language: Language) -> AsyncIterator[bytes]:
        """Everything at once, and then at each beat what has changed; nothing new is told too, so that silence means a fault."""
        self.listeners += 1
        try:
            yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
            edition = self._edition(language)
            seen = edition.beat
            yield _message(edition.fragments)
            while not self._closed.is_set():
                await self._next_beat()
                edition = self._edition(language)
                if edition.beat == seen:
                    continue
                # Who missed an edition gets everything: what changed in it is not kept.
                yield edition.message if edition.before == seen else _message(edition.fragments)
                seen = edition.beat
        finally:
            self.listeners -= 1

    def close(self) -> None:
        """End all streams at once."""
        self._closed.set()

    async def _next_beat(self) -> None:
        """All pages wake together; the first of them has the edition made."""
        left = BEAT_SECONDS - self._clock.monotonic() % BEAT_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left + 0.005):
                await self._closed.wait()

    def _edition(self, language: Language) -> _Edition:
        edition = self._editions.setdefault(language, _Edition())
        beat = int(self._clock.monotonic() / BEAT_SECONDS)
        if beat != edition.beat:
            fresh = self._fragments(language)
            changed = {name: text for name, text in fresh.items() if edition.fragments.get(name) != text}
            message = _message(changed)
            self._editions[language] = edition = _Edition(
                beat=beat, before=edition.beat, fragments=fresh, message=message
            )
        return edition


def live_pages(room: WebContext) -> LivePages:
    """The open pages of a room."""
    drawn: dict[Language, tuple[float, Mapping[str, str]]] = {}

    def fragments(language: Language) -> Mapping[str, str]:
        words, now = Translator(language=language), room.clock.monotonic()
        if language not in drawn or now - drawn[language][0] >= SAMPLE_SECONDS:
            drawn[language] = (now, drawn_fragments(room, words))
        return {**live_fragments(room, words), **drawn[language][1], **part_versions(room)}

    return LivePages(fragments, clock=room.clock)


def routes(pages: LivePages) -> list[Route]:
    """The stream at `/events`."""

    async def events(request: Request) -> Response:
        if pages.listeners >= MOST_LISTENERS:
            return PlainTextResponse("too many pages are open\n", status_code=503, headers={"Retry-After": "10"})
        return StreamingResponse(pages.stream(language_of(request)), media_type="text/event-stream")

    return [Route("/events", events, methods=["GET"])]


def _message(fragments: Mapping[str, str]) -> bytes:
    return f"data: {json.dumps(fragments, ensure_ascii=False, separators=(',', ':'))}\n\n".encode("utf-8", "replace")
