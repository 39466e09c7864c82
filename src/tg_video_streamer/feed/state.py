"""The modes and states of a feed, and how the states follow one another."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class FeedMode(StrEnum):
    """What a feed is for."""

    ON_AIR = "on_air"
    """Viewers watch it: it has priority, and its failures and picture faults are events."""
    PREPARING = "preparing"
    """It fills the library: measured whole, at the lowest priority, useless without a cache entry, without events."""


class FeedState(StrEnum):
    """What a feed is doing.

    resolving ──► probing ──► priming ──► running ──► ended
        │            │           │           │
        ├────────────┴───────────┴───────────┴──► retrying ──► resolving
        └────────────┴───────────┴───────────┴──► failed

    A cached encode is not probed: resolving is followed by priming. Every state but the last two may also end: a list
    ends while resolving, an empty source while priming, a source that died at its very end while retrying. Retrying may
    fail.
    """

    RESOLVING = "resolving"
    PROBING = "probing"
    PRIMING = "priming"
    """The child runs; the buffer is not full enough to go on air."""
    RUNNING = "running"
    RETRYING = "retrying"
    """Waiting before the next attempt; the buffer is still being played."""
    ENDED = "ended"
    FAILED = "failed"


FEED_TRANSITIONS: Transitions[FeedState] = {
    FeedState.RESOLVING: frozenset(
        {FeedState.PROBING, FeedState.PRIMING, FeedState.RETRYING, FeedState.ENDED, FeedState.FAILED}
    ),
    FeedState.PROBING: frozenset({FeedState.PRIMING, FeedState.RETRYING, FeedState.ENDED, FeedState.FAILED}),
    FeedState.PRIMING: frozenset({FeedState.RUNNING, FeedState.RETRYING, FeedState.ENDED, FeedState.FAILED}),
    FeedState.RUNNING: frozenset({FeedState.RETRYING, FeedState.ENDED, FeedState.FAILED}),
    FeedState.RETRYING: frozenset({FeedState.RESOLVING, FeedState.ENDED, FeedState.FAILED}),
    FeedState.ENDED: frozenset(),
    FeedState.FAILED: frozenset(),
}
