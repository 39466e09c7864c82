"""What a feed makes known: failed tries and faults that viewers meet, as events and log lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.events import Event, PictureFault, SourceFailed
from tg_video_streamer.feed.picture_faults import Fault
from tg_video_streamer.playlist.item import Item

_log = structlog.get_logger(__name__)


class Reports:
    """Publishes on behalf of one item."""

    def __init__(self, item: Item, publish: Callable[[Event], None], clock: Clock, *, unheard: bool = False) -> None:
        """`unheard`: nobody watches it, so nothing of it is anybody's trouble yet; the log has it for those who search."""
        self._item = item
        self._publish = publish
        self._clock = clock
        self._warn = _log.debug if unheard else _log.warning

    def failed(self, stage: str, error: StreamerError, *, title: str) -> None:
        """A try failed while resolving, probing or feeding."""
        self._warn("source failed", stage=stage, reason=error.reason, error=str(error), key=self._item.key)
        self._publish(
            SourceFailed(
                wall=self._clock.wall(),
                stage=stage,
                reason=error.reason,
                detail=str(error),
                key=self._item.key,
                title=title,
            )
        )

    def faults(self, faults: Sequence[Fault], *, title: str) -> None:
        """The picture or sound is, or is no longer, at fault."""
        for fault in faults:
            _log.info("picture fault", fault=fault.fault, active=fault.active, key=self._item.key)
            self._publish(
                PictureFault(
                    wall=self._clock.wall(), fault=fault.fault, active=fault.active, key=self._item.key, title=title
                )
            )
