"""Items of a fraction of a second are primed in bundles, since priming the next takes longer than they last; pure.

One by one they would go on air between slates that flash.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from tg_video_streamer.automation.candidate import Candidate

MAX_BUNDLE = 64
"""How many candidates there are at most, tiny ones included."""
BUNDLE_SECONDS = 6.0
"""After the slate the first tiny item starts when so much is ready …"""
BUNDLE_PATIENCE_SECONDS = 30.0
"""… or when it has waited for so long."""
_TINY_SECONDS = 1.0
_OFFERED_SECONDS = 2.0
"""So much lies ready at the playout: the splice between two tiny items waits for no answer of the director."""


def is_tiny(candidate: Candidate) -> bool:
    """Whether all of it is there, and it is shorter than priming the next may take."""
    return candidate.over and candidate.feed.primed and candidate.feed.buffer.seconds < _TINY_SECONDS


def is_complete(coming: Sequence[Candidate], first: Candidate) -> bool:
    """Whether `first`, which is ready, may go on air after the slate: it is not tiny, or enough follows it."""
    ready = list(takewhile(lambda one: one.ready, coming[coming.index(first) :]))
    if not all(map(is_tiny, ready)) or len(coming) >= MAX_BUNDLE:
        return True
    return sum(one.feed.buffer.seconds for one in ready) >= BUNDLE_SECONDS


def offered_in_a_row(coming: Sequence[Candidate]) -> list[Candidate]:
    """The first that is ready, and what follows it at the playout while those before it are short."""
    first = next((at for at, candidate in enumerate(coming) if candidate.ready), len(coming))
    row: list[Candidate] = []
    seconds = 0.0
    for candidate in coming[first:]:
        if not candidate.ready or (row and not candidate.feed.primed):
            break
        row.append(candidate)
        seconds += candidate.feed.buffer.seconds
        if not candidate.over or seconds >= _OFFERED_SECONDS:
            break
    return row
