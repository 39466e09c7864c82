"""A feed that plays in place of an item: a clip of the filler, or a backup."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tg_video_streamer.events import AirContent, SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.playout.source import AirSource


@dataclass(kw_only=True, eq=False)
class StandIn:
    """The feed, the task that runs it, and its source once it was offered to the playout."""

    feed: Feed
    task: asyncio.Task[None]
    level: SourceLevel = SourceLevel.FILLER
    """Of the filler, or of a backup."""
    source: AirSource | None = None

    @property
    def content(self) -> AirContent:
        """What is on air while it plays."""
        feed = self.feed
        return AirContent(
            level=self.level,
            key=feed.item.key,
            title=feed.title,
            cached=feed.plays_cached,
            prepared=feed.plays_prepared,
        )

    def stop(self) -> None:
        """End its feed; what is on air of it ends too."""
        self.feed.buffer.close()
        self.task.cancel()
