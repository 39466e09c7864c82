"""Makes the spool, and connects it with the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.forecast import eta_seconds, seconds_left
from tg_video_streamer.automation.scheduler import Scheduler
from tg_video_streamer.automation.spooler import Spooler
from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.probe.probe import probe
from tg_video_streamer.ffmpeg.source import Measured
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import DOWNLOADED, Item
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.resolve.media import Fetcher, Media, Resolve
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.spool.download import Downloads
from tg_video_streamer.spool.fetch import Fetch
from tg_video_streamer.spool.source import SpooledSource
from tg_video_streamer.spool.spool import Ended, Spool, SpoolLimits
from tg_video_streamer.spool.state import SpoolState
from tg_video_streamer.spool.ytdlp_fetch import YtdlpFetch

GIGABYTE = 1_000_000_000
FLOOR_BYTES = GIGABYTE
"""Disk space that the spool leaves to the rest of the host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolService:
    """The spool and what feeds ask."""

    spool: Spool
    source: SpooledSource
    fetchers: dict[Fetcher, Fetch]
    """By what they fetch for; more may be added before the start."""

    def ready(self, item: Item) -> bool:
        """Whether the preparer may read an item now: from its spooled file, or because it is never spooled."""
        if item.kind not in DOWNLOADED:
            return True
        entry = self.spool.known(item)
        if entry is None or entry.state is SpoolState.FAILED:
            return entry is not None
        # Through a window only one feed can read: that on air.
        return entry.state is SpoolState.WHOLE and entry.window is None


def make_spool(settings: Settings, *, ask: Resolve, ended: Ended, clock: Clock) -> SpoolService | None:
    """The spool that the settings describe, not started; None where it is off. `ask` finds where an item is.

    `ended` is called after each attempt at a download.
    """
    if not settings.spool_max_gb:
        return None
    fetchers: dict[Fetcher, Fetch] = {Fetcher.YTDLP: YtdlpFetch()}
    spool = Spool(
        settings.state_dir / "spool",
        limits=SpoolLimits(max_bytes=round(settings.spool_max_gb * GIGABYTE), floor_bytes=FLOOR_BYTES),
        downloads=Downloads(fetchers, check_playable),
        ask=ask,
        ended=ended,
        clock=clock,
    )
    return SpoolService(spool=spool, source=SpooledSource(spool, ask, clock), fetchers=fetchers)


async def check_playable(media: Media) -> None:
    """Open what was downloaded. Raises ProbeFailed."""
    await probe(media, measured=Measured.NOT)


def make_spooler(
    parts: SpoolService | None,
    *,
    scheduler: Scheduler,
    director: Director,
    playout: Playout,
    library: Library | None,
    clock: Clock,
) -> Callable[[], Spooler] | None:
    """Makes what asks the spool for the coming items; None without one."""
    if parts is None:
        return None

    def eta(item: Item) -> float | None:
        coming = director.coming
        feed = next((one for one in coming if one.item.key == item.key), None)
        return 0.0 if feed is None else eta_seconds(feed, coming, director.on_air, playout.item_seconds)

    parts.source.eta = eta

    def used() -> Sequence[Item]:
        on_air = [] if director.item is None else [director.item]
        return [*on_air, *(feed.item for feed in director.coming)]

    return partial(
        Spooler,
        parts.spool,
        upcoming=scheduler.upcoming,
        used=used,
        left_seconds=lambda: seconds_left(director.on_air, playout.item_seconds) or 0.0,
        clock=clock,
        library=library,
    )
