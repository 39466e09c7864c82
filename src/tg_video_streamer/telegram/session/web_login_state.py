"""The steps of a login at the service's desk, and what a person there sees; light, so that pages can import it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class DeskStep(StrEnum):
    """Where a login stands.

    ```
    idle ──► starting ──► qr, phone, code ──► password ──► confirm ──► saving ──► done
    every step between ──► failed, idle (cancelled)        done, failed ──► starting
    ```
    `confirm`: the account is another one than before, and a person has to want that.
    """

    IDLE = "idle"
    STARTING = "starting"
    QR = "qr"
    PHONE = "phone"
    CODE = "code"
    PASSWORD = "password"  # noqa: S105 - a step's name
    CONFIRM = "confirm"
    SAVING = "saving"
    DONE = "done"
    FAILED = "failed"


ASKING = frozenset({DeskStep.PHONE, DeskStep.CODE, DeskStep.PASSWORD, DeskStep.CONFIRM})
"""The steps that wait for a person's answer."""
RESTING = frozenset({DeskStep.IDLE, DeskStep.DONE, DeskStep.FAILED})
"""The steps in which no login runs."""
_STOPPED = frozenset({DeskStep.FAILED, DeskStep.IDLE})
_LOGGED_IN = frozenset({DeskStep.CONFIRM, DeskStep.SAVING})

TRANSITIONS: Transitions[DeskStep] = {
    DeskStep.IDLE: frozenset({DeskStep.STARTING}),
    DeskStep.STARTING: frozenset({DeskStep.QR, DeskStep.PHONE, DeskStep.CODE}) | _STOPPED,
    DeskStep.QR: frozenset({DeskStep.QR, DeskStep.PASSWORD}) | _LOGGED_IN | _STOPPED,
    DeskStep.PHONE: frozenset({DeskStep.PHONE, DeskStep.CODE}) | _STOPPED,
    DeskStep.CODE: frozenset({DeskStep.CODE, DeskStep.PASSWORD}) | _LOGGED_IN | _STOPPED,
    DeskStep.PASSWORD: frozenset({DeskStep.PASSWORD}) | _LOGGED_IN | _STOPPED,
    DeskStep.CONFIRM: frozenset({DeskStep.SAVING}) | _STOPPED,
    DeskStep.SAVING: frozenset({DeskStep.DONE}) | _STOPPED,
    DeskStep.DONE: frozenset({DeskStep.STARTING}),
    DeskStep.FAILED: frozenset({DeskStep.STARTING}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskState:
    """What the person is shown now."""

    step: DeskStep
    qr_url: str = field(default="", repr=False)
    """Whoever scans it gives an account to this service, so it is for operators only; empty but in the step `qr`."""
    hint: str = ""
    """How the code comes, or the account's own hint for its password."""
    message: str = ""
    """What was wrong with the last answer, or what came of the login."""
    account: str = ""
    """Whose session it is, masked; empty before the login."""
