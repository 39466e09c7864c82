"""The diagram of a feed's states is its transition table."""

from __future__ import annotations

import re

from tg_video_streamer.feed.state import FEED_TRANSITIONS, FeedState

ORDER = (FeedState.RESOLVING, FeedState.PROBING, FeedState.PRIMING, FeedState.RUNNING)


def test_diagram_is_the_table() -> None:
    """The arrows of the docstring are those of the transition table."""
    text = FeedState.__doc__ or ""
    first = next(line for line in text.splitlines() if "──►" in line)
    assert re.findall(r"\w+", first) == [*map(str, ORDER), "ended"]
    for state, following in zip(ORDER, [*ORDER[1:], FeedState.ENDED], strict=True):
        drawn = {following, FeedState.RETRYING, FeedState.FAILED, FeedState.ENDED}
        if state is FeedState.RESOLVING and "resolving is followed by priming" in text:
            drawn.add(FeedState.PRIMING)
        assert FEED_TRANSITIONS[state] == drawn
    retrying = {FeedState.RESOLVING, FeedState.ENDED, FeedState.FAILED}
    assert FEED_TRANSITIONS[FeedState.RETRYING] == retrying
    assert not FEED_TRANSITIONS[FeedState.ENDED]
    assert not FEED_TRANSITIONS[FeedState.FAILED]
