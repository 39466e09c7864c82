"""The states of the Telegram session and the moves between them."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class SessionState(StrEnum):
    """Whether there is a Telegram session that works.

    ```
    absent ──► valid, expired, renewing     valid ──► restricted, expired, absent
    expired ──► renewing, absent            renewing ──► valid, restricted, expired, absent
                                            restricted ──► valid, renewing, expired, absent
    ```
    `absent`: no SESSION_STRING is set. `expired`: one is, and it ended in any way. `renewing`: a string is being tried.
    `restricted`: Telegram knows the session and refuses the account (frozen, asked to wait): it is asked again slowly.
    """

    ABSENT = "absent"
    VALID = "valid"
    EXPIRED = "expired"
    RENEWING = "renewing"
    RESTRICTED = "restricted"


TRANSITIONS: Transitions[SessionState] = {
    SessionState.ABSENT: frozenset({SessionState.VALID, SessionState.EXPIRED, SessionState.RENEWING}),
    SessionState.VALID: frozenset({SessionState.RESTRICTED, SessionState.EXPIRED, SessionState.ABSENT}),
    SessionState.EXPIRED: frozenset({SessionState.RENEWING, SessionState.ABSENT}),
    SessionState.RENEWING: frozenset(
        {SessionState.VALID, SessionState.RESTRICTED, SessionState.EXPIRED, SessionState.ABSENT}
    ),
    SessionState.RESTRICTED: frozenset(
        {SessionState.VALID, SessionState.RENEWING, SessionState.EXPIRED, SessionState.ABSENT}
    ),
}
