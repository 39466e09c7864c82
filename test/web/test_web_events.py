"""The event stream: built once a tick for all pages, with changes only, and only while a page is open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from stands.virtual_time import VirtualLoop, run_whole
from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.translator import LANGUAGES
from tg_video_streamer.web.auth.client_address import Client
from tg_video_streamer.web.connection import ConnectionLimits
from tg_video_streamer.web.events import TICK_SECONDS, PageUpdates

HERE = Client("127.0.0.1", "127.0.0.1")
EN, RU = LANGUAGES["en"], LANGUAGES["ru"]


class Facts:
    """The fragments; counts how often they were built."""

    def __init__(self) -> None:
        self.now = {"badge": "On air", "next": "Harbour"}
        self.asked: list[Language] = []

    def tell(self, language: Language) -> Mapping[str, str]:
        """See PageUpdates."""
        self.asked.append(language)
        return dict(self.now)


@asynccontextmanager
async def listening(pages: PageUpdates, language: Language = EN) -> AsyncIterator[AsyncIterator[bytes]]:
    """One open page that has received the retry time."""
    stream = pages.stream(language, HERE)
    assert (await anext(stream)).startswith(b"retry: ")
    try:
        yield stream
    finally:
        await stream.aclose()  # type: ignore[attr-defined]  # a generator


def said(message: bytes) -> dict[str, str]:
    """The fragments in a message."""
    assert message.endswith(b"\n\n")
    told: dict[str, str] = json.loads(message.removeprefix(b"data: "))
    return told


def test_all_pages_get_the_same_message() -> None:
    """A new stream gets everything, then only changes, built once for all; empty changes are sent too."""

    async def listen(clock: VirtualLoop) -> None:
        facts = Facts()
        pages = PageUpdates(facts.tell, clock=clock)
        async with listening(pages) as one, listening(pages) as other, listening(pages, RU) as third:
            assert said(await anext(one)) == said(await anext(other)) == said(await anext(third)) == facts.now
            facts.now["badge"] = "Slate"
            first, second = await asyncio.gather(anext(one), anext(other))
            assert said(first) == {"badge": "Slate"}
            assert first is second
            asked = facts.asked.count(EN)
            first, second = await asyncio.gather(anext(one), anext(other))
            assert said(first) == said(second) == {}
            assert facts.asked.count(EN) == asked + 1
            assert pages.listeners == 3
        assert pages.listeners == 0

    run_whole(listen)


def test_who_was_away_is_told_everything() -> None:
    """A page that missed a message gets everything again."""

    async def listen(clock: VirtualLoop) -> None:
        facts = Facts()
        pages = PageUpdates(facts.tell, clock=clock)
        async with listening(pages) as slow, listening(pages) as quick:
            await anext(slow)
            await anext(quick)
            facts.now["badge"] = "Slate"
            await anext(quick)
            facts.now["next"] = "Night train"
            assert said(await anext(quick)) == {"next": "Night train"}
            assert said(await anext(slow)) == facts.now

    run_whole(listen)


def test_nobody_listens_and_nothing_is_made() -> None:
    """Without an open page nothing is built, and closing ends every stream at once."""

    async def listen(clock: VirtualLoop) -> None:
        facts = Facts()
        pages = PageUpdates(facts.tell, clock=clock)
        await asyncio.sleep(0)
        assert facts.asked == []
        async with listening(pages) as one:
            await anext(one)
            pages.close()
            async with asyncio.timeout(TICK_SECONDS * 20):
                while [message async for message in one]:
                    pass

    run_whole(listen)


def test_one_client_leaves_room_for_others() -> None:
    """A client gets a fifth of the connections as event streams, all together three fifths, and a closed one is free again."""

    async def listen(clock: VirtualLoop) -> None:
        pages = PageUpdates(Facts().tell, clock=clock)
        pages.limits = ConnectionLimits(total=10)
        clients = [Client("127.0.0.1", f"192.0.2.{number}") for number in range(4)]
        streams = [pages.stream(EN, client) for client in clients[:3] for _ in range(2)]
        for stream in streams[:2]:
            await anext(stream)
        assert [pages.is_full(client) for client in clients] == [True, False, False, False]
        for stream in streams[2:]:
            await anext(stream)
        assert pages.is_full(clients[3])
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]  # a generator
        assert not any(pages.is_full(client) for client in clients)

    run_whole(listen)
