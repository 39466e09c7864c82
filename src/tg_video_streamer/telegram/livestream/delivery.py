"""Whether viewers are seen to get the live stream: decided from what Telegram tells of its channels; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

GRACE_SECONDS = 20.0
"""So long media may leave before Telegram must have it: a stream's first parts take some seconds to appear."""


class Delivery(StrEnum):
    """What is known of the far end."""

    UNKNOWN = ""
    """Nothing leaves, or it is too early to tell."""
    CONFIRMED = "confirmed"
    """The stream was seen to advance at Telegram."""
    UNCONFIRMED = "unconfirmed"
    """It cannot be asked: no session, or no answer."""
    MISSING = "missing"
    """Bytes leave, and Telegram has no stream, or one that stands still."""


class Remedy(StrEnum):
    """What is done about a stream that is missing."""

    NONE = "none"
    RECONNECT = "reconnect"
    NEW_KEY = "new_key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look: at what time, whether media leaves (the bytes of the output grew), and what Telegram told.

    `newest_milliseconds`: the largest `last_timestamp_ms` of the channels; 0 for no channel, None where Telegram
    cannot be asked.
    """

    at: float
    leaving: bool
    newest_milliseconds: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryState:
    """What the looks so far came to."""

    delivery: Delivery = Delivery.UNKNOWN
    newest_milliseconds: int | None = None
    """Of the last look that got an answer; None before the first."""
    advanced_at: float | None = None
    """When it was last seen to advance, or since when it should."""
    missing_in_row: int = 0
    """Spells of grace in a row that saw nothing."""
    remedy: Remedy = Remedy.NONE
    """What this look asks for."""


def judge(before: DeliveryState, look: Look, *, grace_seconds: float = GRACE_SECONDS) -> DeliveryState:
    """The state after one more look.

    A stream is confirmed once it advances from one look to the next. Where that has not happened for `grace_seconds`, the
    first spell asks for a new connection, the second in a row for a new key, and so on in turns.
    """
    calm = replace(before, remedy=Remedy.NONE)
    if not look.leaving:
        return replace(calm, delivery=Delivery.UNKNOWN, newest_milliseconds=None, advanced_at=None)
    if look.newest_milliseconds is None:
        # A gap in the answers proves nothing against the stream, so its time does not count.
        return replace(calm, delivery=Delivery.UNCONFIRMED, newest_milliseconds=None, advanced_at=None)
    known = before.newest_milliseconds
    seen = replace(calm, newest_milliseconds=look.newest_milliseconds)
    if known is not None and look.newest_milliseconds > known > 0:
        return replace(seen, delivery=Delivery.CONFIRMED, advanced_at=look.at, missing_in_row=0)
    since = look.at if before.advanced_at is None else before.advanced_at
    if look.at - since < grace_seconds:
        waiting = before.delivery if before.delivery is Delivery.CONFIRMED else Delivery.UNKNOWN
        return replace(seen, delivery=waiting, advanced_at=since)
    spells = before.missing_in_row + 1
    remedy = Remedy.NEW_KEY if spells % 2 == 0 else Remedy.RECONNECT
    return replace(seen, delivery=Delivery.MISSING, advanced_at=look.at, missing_in_row=spells, remedy=remedy)
