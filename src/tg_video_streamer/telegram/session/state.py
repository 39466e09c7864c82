"""The states of the Telegram session and the moves between them."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class SessionState(StrEnum):
    """Whether there is a Telegram session that works.

    ```
    absent ──► valid, expired, renewing     valid ──► expired, absent
    expired ──► renewing, absent            renewing ──► valid, expired, absent
    ```
    `absent`: no SESSION_STRING is set. `expired`: one is, and it ended in any way. `renewing`: a string is being tried.
    """

    ABSENT = "absent"
    VALID = "valid"
    EXPIRED = "expired"
    RENEWING = "renewing"


TRANSITIONS: Transitions[SessionState] = {
    SessionState.ABSENT: frozenset({SessionState.VALID, SessionState.EXPIRED, SessionState.RENEWING}),
    SessionState.VALID: frozenset({SessionState.EXPIRED, SessionState.ABSENT}),
    SessionState.EXPIRED: frozenset({SessionState.RENEWING, SessionState.ABSENT}),
    SessionState.RENEWING: frozenset({SessionState.VALID, SessionState.EXPIRED, SessionState.ABSENT}),
}
