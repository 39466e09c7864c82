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
    `out`: not in the call, and not meant to be. `joined`: a participant. `lost`: no longer one (removed, the call ended,
    or its media server lost us). `refused`: Telegram refused the join.
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
