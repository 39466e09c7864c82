"""One item on its way through the program: its feed, the task that runs it, and what the playout is shown of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tg_video_streamer.events import SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playout.source import AirSource

LIVE_GRACE_SECONDS = 60.0
"""How long viewers see filler or slate before a live source that broke off is given up for the next item."""
SLOW_GRACE_SECONDS = 10.0
"""The same for a source that still comes, only too slowly."""


class FeedMaker(Protocol):
    """Makes the feed of an item; it does nothing until its `run`."""

    def __call__(self, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        """`start_seconds` counts from the item's own beginning; `changed` is called at each change of the feed."""


@dataclass(kw_only=True, eq=False)
class Candidate:
    """Made by the director, in the event loop's thread."""

    item: Item
    feed: Feed
    task: asyncio.Task[None]
    resumes: bool
    """It goes on amid the item, where an earlier run of the service left it."""
    began: float
    """Monotonic seconds."""
    late: bool = False
    """Another item went on air before it, since it was not ready in its turn."""
    showing: AirSource | None = None
    """Set once it was offered."""

    @property
    def over(self) -> bool:
        """Its feed will give no more packets than it holds."""
        return self.feed.state in {FeedState.ENDED, FeedState.FAILED}

    @property
    def hopeless(self) -> bool:
        """It will never go on air."""
        return self.feed.state is FeedState.FAILED or (self.over and not self.feed.primed)

    def show(self) -> AirSource:
        """What the playout needs; the same one each time."""
        if self.showing is None:
            self.showing = AirSource(
                source=self.feed.buffer,
                level=SourceLevel.ITEM,
                key=self.item.key,
                title=self.feed.title,
                counts=not self.resumes,
                grace=self._grace,
                outcome=self._outcome,
            )
        return self.showing

    def stop(self) -> None:
        """End the feed; its task reaps the child."""
        # The reader may wait for room in the buffer; nobody will make any more.
        self.feed.buffer.close()
        self.task.cancel()

    def _grace(self) -> float:
        if self.feed.is_live:
            return LIVE_GRACE_SECONDS
        return 0.0 if self.feed.state in {FeedState.RETRYING, FeedState.FAILED} else SLOW_GRACE_SECONDS

    def _outcome(self) -> str:
        return "source_failed" if self.feed.state is FeedState.FAILED else "ended"
