"""The steps of a web login and what the page shows; without Telethon, so that pages can import it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tg_video_streamer.locales.message import Message
from tg_video_streamer.state_machine import Transitions


class WebLoginStep(StrEnum):
    """Where a login stands.

    ```
    idle ──► starting ──► qr, phone, code ──► password ──► confirm ──► saving ──► done
    every step between ──► failed, idle (cancelled)        done, failed ──► starting
    ```
    `confirm`: the account is not the one before, and a person has to agree.
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


ASKING = frozenset({WebLoginStep.PHONE, WebLoginStep.CODE, WebLoginStep.PASSWORD, WebLoginStep.CONFIRM})
"""The steps that wait for a person's answer."""
RESTING = frozenset({WebLoginStep.IDLE, WebLoginStep.DONE, WebLoginStep.FAILED})
"""The steps in which no login runs."""
_STOPPED = frozenset({WebLoginStep.FAILED, WebLoginStep.IDLE})
_LOGGED_IN = frozenset({WebLoginStep.CONFIRM, WebLoginStep.SAVING})

TRANSITIONS: Transitions[WebLoginStep] = {
    WebLoginStep.IDLE: frozenset({WebLoginStep.STARTING}),
    WebLoginStep.STARTING: frozenset({WebLoginStep.QR, WebLoginStep.PHONE, WebLoginStep.CODE}) | _STOPPED,
    WebLoginStep.QR: frozenset({WebLoginStep.QR, WebLoginStep.PASSWORD}) | _LOGGED_IN | _STOPPED,
    WebLoginStep.PHONE: frozenset({WebLoginStep.PHONE, WebLoginStep.CODE}) | _STOPPED,
    WebLoginStep.CODE: frozenset({WebLoginStep.CODE, WebLoginStep.PASSWORD}) | _LOGGED_IN | _STOPPED,
    WebLoginStep.PASSWORD: frozenset({WebLoginStep.PASSWORD}) | _LOGGED_IN | _STOPPED,
    WebLoginStep.CONFIRM: frozenset({WebLoginStep.SAVING}) | _STOPPED,
    WebLoginStep.SAVING: frozenset({WebLoginStep.DONE}) | _STOPPED,
    WebLoginStep.DONE: frozenset({WebLoginStep.STARTING}),
    WebLoginStep.FAILED: frozenset({WebLoginStep.STARTING}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WebLoginState:
    """What the page shows now."""

    step: WebLoginStep
    qr_url: str = field(default="", repr=False)
    """Scanning it gives the service an account, so it is for operators only; empty but in the step `qr`."""
    hint: Message | None = None
    """How the code comes, or the account's own hint for its password."""
    message: Message | None = None
    """What was wrong with the last answer, or what came of the login."""
    account: Message | None = None
    """The account, masked; empty before the login."""
