"""Decides from the channels that Telegram reports whether it receives the live stream; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

GRACE_SECONDS = 20.0
"""How long media may leave before Telegram must have it: a stream's first parts appear after some seconds."""


class Delivery(StrEnum):
    """Whether Telegram receives the stream."""

    UNKNOWN = ""
    """Nothing leaves, or it is too early to know."""
    CONFIRMED = "confirmed"
    """The stream was seen to advance at Telegram."""
    UNCONFIRMED = "unconfirmed"
    """Telegram cannot be asked: no session, or no answer."""
    MISSING = "missing"
    """Bytes leave, and Telegram has no stream, or one that stands still."""


class Remedy(StrEnum):
    """What the output does about a missing stream."""

    NONE = "none"
    RECONNECT = "reconnect"
    NEW_KEY = "new_key"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryCheck:
    """One check: its time, whether media leaves (the output's bytes grew), and what Telegram answered.

    `newest_milliseconds`: the largest `last_timestamp_ms` of the channels; 0 for no channel, None where Telegram
    cannot be asked.
    """

    at: float
    leaving: bool
    newest_milliseconds: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryState:
    """The result of all checks so far."""

    delivery: Delivery = Delivery.UNKNOWN
    newest_milliseconds: int | None = None
    """Of the last check that got an answer; None before the first."""
    advanced_at: float | None = None
    """When the stream last advanced, or since when it should."""
    missing_in_row: int = 0
    """Grace periods in a row without an advance."""
    remedy: Remedy = Remedy.NONE
    """What this check asks for."""


def assess(before: DeliveryState, check: DeliveryCheck, *, grace_seconds: float = GRACE_SECONDS) -> DeliveryState:
    """The state after one more check.

    A stream is confirmed once it advances from one check to the next. Each grace period without an advance asks for a
    remedy: a new connection first, then a new key, and so on in turns.
    """
    calm = replace(before, remedy=Remedy.NONE)
    if not check.leaving:
        return replace(calm, delivery=Delivery.UNKNOWN, newest_milliseconds=None, advanced_at=None)
    if check.newest_milliseconds is None:
        # Without an answer nothing is known of the stream, so the time does not count.
        return replace(calm, delivery=Delivery.UNCONFIRMED, newest_milliseconds=None, advanced_at=None)
    known = before.newest_milliseconds
    seen = replace(calm, newest_milliseconds=check.newest_milliseconds)
    if known is not None and check.newest_milliseconds > known > 0:
        return replace(seen, delivery=Delivery.CONFIRMED, advanced_at=check.at, missing_in_row=0)
    since = check.at if before.advanced_at is None else before.advanced_at
    if check.at - since < grace_seconds:
        waiting = before.delivery if before.delivery is Delivery.CONFIRMED else Delivery.UNKNOWN
        return replace(seen, delivery=waiting, advanced_at=since)
    missing_in_row = before.missing_in_row + 1
    remedy = Remedy.NEW_KEY if missing_in_row % 2 == 0 else Remedy.RECONNECT
    return replace(seen, delivery=Delivery.MISSING, advanced_at=check.at, missing_in_row=missing_in_row, remedy=remedy)
