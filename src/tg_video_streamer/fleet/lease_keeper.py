"""Keeps the lease of one channel: watches it, takes it, renews it, and gives it away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from tg_video_streamer.errors import FleetUnreachable, LeaseChanged
from tg_video_streamer.fleet.guard import LeaseGuard, Monotonic
from tg_video_streamer.fleet.lease import HOLD_SECONDS, RENEW_SECONDS, Lease, LeaseEnd, LeaseState
from tg_video_streamer.fleet.lease_bucket import LeaseBucket

log = structlog.get_logger(__name__)

NEAR_SECONDS = 0.1
"""How often a standby looks whose time has come."""
_RELEASE_ATTEMPTS = 3


class LeaseKeeper:
    """One term: from standby to holder to neither. After it another one is made."""

    def __init__(
        self,
        lease: Lease,
        bucket: LeaseBucket,
        *,
        guard: LeaseGuard,
        now: Monotonic,
        stays_when_isolated: bool = False,
        renewed: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """`renewed` is told how long each renewal took. `stays_when_isolated`: a holder that reaches no NATS sends on."""
        self.lease = lease
        self._bucket = bucket
        self._guard = guard
        self._now = now
        self._stays = stays_when_isolated
        self._renewed = renewed
        self._look = asyncio.Event()
        self._unreachable = False
        self.held = asyncio.Event()
        """Set once this host has the lease."""
        self.left = asyncio.Event()
        """Set once it has it no longer: `lease.end` says why."""

    def look(self) -> None:
        """Look at the lease now: somebody said that it changed."""
        self._look.set()

    async def run(self) -> None:
        """Until the lease was held and is no longer."""
        while self.lease.end is None:
            began = self._now()
            try:
                await self._step(began)
            except FleetUnreachable as error:
                self._say_unreachable(error)
                self._stay(began)
            else:
                self._say_reachable()
            self._check_time()
            if self.lease.end is None:
                await self._pause(began)
        self._guard.close()
        self.left.set()

    async def release(self, next_host: str = "") -> None:
        """Give a held lease away, after the last slice was sent; best effort, since it runs out by itself."""
        if self.lease.state is not LeaseState.HELD:
            return
        self._guard.close()
        for _ in range(_RELEASE_ATTEMPTS):
            if self.lease.state is not LeaseState.HELD:
                return
            holder = self.lease.release(next_host)
            with suppress(FleetUnreachable, LeaseChanged):
                revision = await self._bucket.write(holder, self.lease.revision)
                self.lease.wrote(holder, revision, began=self._now(), now=self._now())
                return
            with suppress(FleetUnreachable):
                self.lease.see(await self._bucket.read(), self._now())
        if self.lease.state is LeaseState.HELD:
            self.lease.leave(LeaseEnd.RELEASED)

    async def _step(self, began: float) -> None:
        if self.lease.state is LeaseState.HELD:
            await self._renew(began)
            return
        self.lease.see(await self._bucket.read(), self._now())
        wanted = self.lease.wanted(self._now())
        if wanted is None:
            return
        began = self._now()
        # Another standby was faster, or the holder is back: the next look shows who.
        with suppress(LeaseChanged):
            revision = await self._bucket.write(wanted, self.lease.revision)
            self.lease.wrote(wanted, revision, began=began, now=self._now())
            if not wanted.is_vacancy:
                self._guard.extend(self.lease.deadline)
                self.held.set()

    async def _renew(self, began: float) -> None:
        renewal = self.lease.renewal()
        try:
            revision = await self._bucket.write(renewal, self.lease.revision)
        except LeaseChanged:
            self.lease.see(await self._bucket.read(), self._now())
            return
        self.lease.wrote(renewal, revision, began=began, now=self._now())
        self._guard.extend(self.lease.deadline)
        self._renewed(self._now() - began)

    def _stay(self, began: float) -> None:
        """Send on though NATS does not answer, which was asked since `began`."""
        if self._stays and self.lease.state is LeaseState.HELD:
            self._guard.extend(began + HOLD_SECONDS)

    def _check_time(self) -> None:
        """A holder whose guard is closed has stopped sending, and must not keep the lease from others."""
        if self.lease.state is LeaseState.HELD and not self._guard.may_send():
            self.lease.leave(LeaseEnd.EXPIRED)
            log.warning("the lease ran out: this host leaves the air", remedy="is NATS reachable? see docs/fleet.md")

    async def _pause(self, began: float) -> None:
        until = began + RENEW_SECONDS
        if self.lease.state is LeaseState.HELD:
            until = min(until, self.lease.deadline) if not self._stays else until
        elif self.lease.seen is not None:
            until = max(min(until, self.lease.take_at()), began + NEAR_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - self._now())):
                await self._look.wait()
        self._look.clear()

    def _say_unreachable(self, error: FleetUnreachable) -> None:
        if not self._unreachable:
            log.warning("the fleet is not reachable", error=str(error))
        self._unreachable = True

    def _say_reachable(self) -> None:
        if self._unreachable:
            log.info("the fleet is reachable again")
        self._unreachable = False
