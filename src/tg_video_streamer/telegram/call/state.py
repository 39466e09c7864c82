"""The states of taking part in a video chat and the moves between them."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class CallState(StrEnum):
    """Where we stand in the chat's video chat.

    ```
    out ──► joining                       joining ──► joined, refused, out
    joined ──► lost, out                  lost ──► joining, out
    refused ──► joining, out
    ```
    `out`: not in it, by our own wish. `joined`: Telegram counts us in. `lost`: it no longer does (removed, the call
    ended, its media server lost us). `refused`: it did not let us in.
    """

    OUT = "out"
    JOINING = "joining"
    JOINED = "joined"
    LOST = "lost"
    REFUSED = "refused"


CALL_TRANSITIONS: Transitions[CallState] = {
    CallState.OUT: frozenset({CallState.JOINING}),
    CallState.JOINING: frozenset({CallState.JOINED, CallState.REFUSED, CallState.OUT}),
    CallState.JOINED: frozenset({CallState.LOST, CallState.OUT}),
    CallState.LOST: frozenset({CallState.JOINING, CallState.OUT}),
    CallState.REFUSED: frozenset({CallState.JOINING, CallState.OUT}),
}
