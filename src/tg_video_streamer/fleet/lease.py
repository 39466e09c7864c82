"""Decides from what was seen of a channel's lease when this host may send, and when it may take over; pure.

The lease is one value in a key-value bucket that only compare-and-set changes. The holder renews it each second. Both sides
measure by their own clock, which never goes back, so that wrong dates do no harm:

- The holder may send until HOLD_SECONDS after it *began* its last renewal that succeeded.
- Another host takes the lease TAKE_SECONDS after it *saw* the last change.
- An empty bucket may be a new one, or NATS lost its disk while the holder still sends. So a standby first fills it with a vacancy,
  which is a change as any other: a holder that is there writes over it in time.

A renewal is seen after it began, so both never send at once as long as the clocks of two hosts run alike to a third.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Self

from tg_video_streamer.state_machine import StateMachine, Transitions

RENEW_SECONDS = 1.0
HOLD_SECONDS = 4.0
TAKE_SECONDS = 6.0
RANK_SECONDS = 0.3
"""A host of the next lower priority waits so much longer."""


class LeaseState(StrEnum):
    """What this host is for its channel."""

    STANDBY = "standby"
    HELD = "held"
    LEFT = "left"
    """It held the lease, and has it no longer: given away, lost or run out."""


LEASE_TRANSITIONS: Transitions[LeaseState] = {
    LeaseState.STANDBY: frozenset({LeaseState.HELD}),
    LeaseState.HELD: frozenset({LeaseState.LEFT}),
    LeaseState.LEFT: frozenset(),
}


class LeaseEnd(StrEnum):
    """Why a holder has it no longer."""

    LOST = "lost"
    """Another host has it."""
    EXPIRED = "expired"
    """It could not be renewed in time."""
    RELEASED = "released"


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who holds, or may take, the lease: its value in the bucket."""

    host: str
    process: str
    """Of the running service; another one after each start."""
    place: str
    """The state folder of a running host: only one process at a time has it."""
    epoch: int
    """Grows with each change of holder: what an earlier holder writes later is refused by it."""
    renewals: int = 0
    """How often it was renewed: a bucket that counts its revisions again from 1 is seen to have changed."""
    released: bool = False
    """It left the air in order: whoever may take it does so at once."""
    next_host: str = ""
    """Who shall take a released lease; empty for any."""

    def encode(self) -> bytes:
        """The value for the bucket."""
        return json.dumps(asdict(self)).encode()

    @property
    def is_vacancy(self) -> bool:
        """It stands for nobody: it only makes an empty bucket distinguishable from one that is emptied again."""
        return not self.host

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError where the value is none of a lease."""
        try:
            found = json.loads(value)
            holder = cls(**found)
        except TypeError as error:
            raise ValueError("no value of a lease") from error
        texts = (holder.host, holder.process, holder.place, holder.next_host)
        numbers = (holder.epoch, holder.renewals)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
            raise ValueError("no value of a lease")
        return holder


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The lease as it was seen; `revision` is 0 where the bucket has none."""

    revision: int
    holder: Holder | None


class Lease:
    """One host's view of one lease; times are seconds of its own monotonic clock."""

    def __init__(self, *, host: str, process: str, place: str, rank: int, now: float) -> None:
        """`rank` 1 is preferred; each further one waits RANK_SECONDS longer."""
        self._own = Holder(host=host, process=process, place=place, epoch=0)
        self._patience_seconds = RANK_SECONDS * (rank - 1)
        self._machine = StateMachine(LEASE_TRANSITIONS, LeaseState.STANDBY)
        self._revision = -1
        self._changed_at = now
        self._deadline = now
        self._epoch = 0
        self._renewals = 0
        self.seen: Seen | None = None
        """None before the first answer."""
        self.end: LeaseEnd | None = None

    @property
    def state(self) -> LeaseState:
        """What this host is."""
        return self._machine.state

    @property
    def revision(self) -> int:
        """What the next compare-and-set compares with."""
        return self._revision

    @property
    def deadline(self) -> float:
        """Until when the holder may send."""
        return self._deadline

    @property
    def changed_at(self) -> float:
        """When a standby saw the last change."""
        return self._changed_at

    @property
    def epoch(self) -> int:
        """The highest that was seen: a bucket that was lost does not lower it."""
        return self._epoch

    def see(self, seen: Seen, now: float) -> None:
        """Take what was read at `now`, or later than what is stored: an old answer can only make this host wait longer."""
        if self.state is LeaseState.HELD:
            self._see_as_holder(seen)
        elif self.state is LeaseState.STANDBY and seen != self.seen:
            self._revision, self._changed_at = seen.revision, now
        self._note(seen)

    def _see_as_holder(self, seen: Seen) -> None:
        holder = seen.holder
        if holder is None or holder.is_vacancy:
            # The bucket was lost: the next renewal fills it again.
            self._revision = seen.revision
        elif holder.process != self._own.process:
            self.leave(LeaseEnd.LOST)
        elif holder.released:
            # The answer to our own release was lost.
            self.leave(LeaseEnd.RELEASED)
        else:
            # Our own renewal, whose answer was lost.
            self._revision = seen.revision

    def _note(self, seen: Seen) -> None:
        self.seen = seen
        if seen.holder is not None:
            self._epoch = max(self._epoch, seen.holder.epoch)

    def wanted(self, now: float) -> Holder | None:
        """What a standby should write now, compared with `revision`; None: it waits."""
        if self.state is not LeaseState.STANDBY or self.seen is None or now < self.take_at():
            return None
        if self.seen.holder is None:
            self._renewals += 1
            return replace(self._own, host="", place="", epoch=self.epoch, renewals=self._renewals)
        return replace(self._own, epoch=self.epoch + 1)

    def take_at(self) -> float:
        """When a standby may take it, if nothing changes until then."""
        holder = self.seen.holder if self.seen is not None else None
        if holder is None:
            return self._changed_at
        if holder.released and holder.next_host in {"", self._own.host}:
            return self._changed_at + self._patience_seconds
        if holder.place == self._own.place and not holder.released:
            # This process, whose answer was lost, or one before it: that has ended, since this one has its state folder.
            return self._changed_at
        return self._changed_at + TAKE_SECONDS + self._patience_seconds

    def renewal(self) -> Holder:
        """What a holder writes each second."""
        self._renewals += 1
        return replace(self._own, epoch=self.epoch, renewals=self._renewals)

    def release(self, next_host: str = "") -> Holder:
        """What a holder writes as its last."""
        return replace(self._own, epoch=self.epoch, released=True, next_host=next_host)

    def wrote(self, holder: Holder, revision: int, *, began: float, now: float) -> None:
        """`holder` was written by compare-and-set, in an attempt that began at `began` and ended at `now`."""
        if self.state is LeaseState.LEFT:
            # The answer to a renewal that was under way when the lease was given up.
            return
        if holder.is_vacancy:
            self.see(Seen(revision=revision, holder=holder), now)
            return
        self._revision = revision
        self._note(Seen(revision=revision, holder=holder))
        if holder.released:
            self.leave(LeaseEnd.RELEASED)
            return
        self._machine.move(LeaseState.HELD)
        self._deadline = began + HOLD_SECONDS

    def leave(self, end: LeaseEnd) -> None:
        """Be no holder any longer."""
        self._deadline = float("-inf")
        self.end = end
        self._machine.move(LeaseState.LEFT)
