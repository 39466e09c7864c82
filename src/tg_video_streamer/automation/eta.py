"""When a coming item will be on air if everything goes on as planned; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tg_video_streamer.feed.handler import Feed


def eta_seconds(feed: Feed, coming: Sequence[Feed], on_air: Feed | None, item_seconds: float) -> float | None:
    """Seconds until the first frame of `feed`, one of those that are `coming` in their order; None where nobody knows.

    `item_seconds`: how far into its item `on_air` is. With nothing on air the first that is primed goes on at once.
    """
    left = _left(on_air, item_seconds) if on_air is not None else 0.0
    for one in coming:
        if one is feed or left is None:
            return left
        left = None if one.duration_seconds is None else left + one.duration_seconds
    return None


def _left(feed: Feed, item_seconds: float) -> float | None:
    if feed.buffer.finished:
        return feed.buffer.seconds
    return None if feed.duration_seconds is None else max(0.0, feed.duration_seconds - item_seconds)
