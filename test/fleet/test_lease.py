"""The lease: whatever happens to hosts, clocks and answers, no two of them may send at the same moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.virtual_time import VirtualLoop, run_whole
from tg_video_streamer.errors import FleetUnreachable, LeaseChanged
from tg_video_streamer.fleet.guard import LeaseGuard
from tg_video_streamer.fleet.lease import HOLD_SECONDS, TAKE_SECONDS, Holder, Lease, LeaseEnd, LeaseState, Seen
from tg_video_streamer.fleet.lease_keeper import LeaseKeeper

STEP_SECONDS = 0.05


class Bucket:
    """A bucket with compare-and-set, as NATS gives it to one host: slow, cut off, or with answers that are lost."""

    def __init__(self, shared: Shared, host: Host) -> None:
        self.shared = shared
        self.host = host

    async def read(self) -> Seen:
        """See LeaseBucket."""
        await self._travel()
        seen = self.shared.seen
        await self._travel()
        return seen

    async def write(self, holder: Holder, revision: int) -> int:
        """See LeaseBucket."""
        await self._travel()
        if self.shared.seen.revision != revision:
            await self._travel()
            raise LeaseChanged.of("fleet.lease_changed", channel="c")
        new = revision + 1
        self.shared.seen = Seen(revision=new, holder=holder)
        await self._travel()
        return new

    async def _travel(self) -> None:
        random_ = self.shared.random
        await self.host.thawed.wait()
        delay = random_.choice((0.001, 0.05, 0.4))
        await asyncio.sleep(min(delay, 0.45))
        if self.host.cut_off or random_.random() < self.shared.loss:
            await asyncio.sleep(0.5)
            raise FleetUnreachable.of("fleet.unreachable", detail="a test")


@dataclass(kw_only=True)
class Shared:
    """What NATS keeps."""

    random: random.Random
    loss: float = 0.0
    seen: Seen = Seen(revision=0, holder=None)  # noqa: RUF009 - frozen


class Host:
    """One host: its clock begins anywhere and runs a little wrong; each term gets a new keeper."""

    def __init__(self, loop: VirtualLoop, shared: Shared, number: int, *, stays: bool = False) -> None:
        offset, rate = shared.random.uniform(0, 1e6), shared.random.uniform(0.95, 1.05)
        self.now: Callable[[], float] = lambda: offset + rate * loop.time()
        self.name = f"host-{number}"
        self.number = number
        self.cut_off = False
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.bucket = Bucket(shared, self)
        self.terms = 0
        self.stays = stays
        self._begin()

    def _begin(self) -> None:
        self.terms += 1
        self.guard = LeaseGuard(self.now)
        lease = Lease(
            host=self.name,
            process=f"{self.name}/{self.terms}",
            place=self.name,
            rank=1 + self.number,
            now=self.now(),
        )
        self.keeper = LeaseKeeper(lease, self.bucket, guard=self.guard, now=self.now, stays_when_isolated=self.stays)

    async def run(self) -> None:
        """Term after term."""
        while True:
            await self.keeper.run()
            self._begin()


async def _watch(hosts: list[Host], loop: VirtualLoop, seconds: float) -> list[tuple[float, str]]:
    """Who may send, at each moment; fails where it is more than one."""
    found = []
    end = loop.time() + seconds
    while loop.time() < end:
        sending = [host.name for host in hosts if host.guard.may_send()]
        assert len(sending) <= 1, f"{sending} at {loop.time():.2f}"
        found.append((loop.time(), sending[0] if sending else ""))
        await asyncio.sleep(STEP_SECONDS)
    return found


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_never_two_may_send_whatever_fails(seed: int) -> None:
    """Slow, lost and late answers, a lost bucket, hosts cut off or frozen, moves, and clocks that run wrong: one sender at most."""
    chance = random.Random(seed)  # noqa: S311 - which fault comes next is no secret

    async def play(loop: VirtualLoop) -> None:
        shared = Shared(random=chance, loss=chance.choice((0.0, 0.05, 0.3)))
        hosts = [Host(loop, shared, number) for number in range(3)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(host.run()) for host in hosts]
            for _ in range(20):
                host = chance.choice(hosts)
                kind = chance.choice(("cut off", "freeze", "move", "forget", "nothing"))
                host.cut_off = kind == "cut off"
                if kind == "forget":
                    shared.seen = Seen(revision=0, holder=None)
                if kind == "freeze":
                    host.thawed.clear()
                if kind == "move":
                    await host.keeper.release(chance.choice(hosts).name)
                await _watch(hosts, loop, chance.uniform(0.2, 15))
                host.cut_off = False
                host.thawed.set()
            shared.loss = 0.0
            last = await _watch(hosts, loop, 30)
            assert last[-1][1], "after the faults somebody is on air"
            for task in tasks:
                task.cancel()

    run_whole(play)


def test_a_dead_holder_is_replaced_in_time_and_a_move_takes_no_second() -> None:
    """After the holder's end another one may send within 7.5 seconds; a released lease is taken by the named host at once."""

    async def play(loop: VirtualLoop) -> None:
        shared = Shared(random=random.Random(1))  # noqa: S311 - as above
        hosts = [Host(loop, shared, number) for number in range(3)]
        async with asyncio.TaskGroup() as group:
            tasks = {host.name: group.create_task(host.run()) for host in hosts}
            await _watch(hosts, loop, TAKE_SECONDS + 2)
            (first,) = (host for host in hosts if host.guard.may_send())
            other = next(host for host in hosts if host is not first)
            await first.keeper.release(other.name)
            for host in hosts:
                host.keeper.look()
            moved = await _watch(hosts, loop, 1.5)
            assert next(at for at, who in moved if who == other.name) - moved[0][0] <= 1.0
            await _watch(hosts, loop, 5)
            tasks[other.name].cancel()
            other.guard.close()
            dead = await _watch(hosts, loop, 9)
            assert next(at for at, who in dead if who) - dead[0][0] <= TAKE_SECONDS + 1.5
            for task in tasks.values():
                task.cancel()

    run_whole(play)


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_lost_bucket_lets_nobody_in_early(*, cut_off: bool) -> None:
    """NATS comes back empty: a holder that reaches it sends on without a gap, one that is cut off is replaced after its time."""

    async def play(loop: VirtualLoop) -> None:
        shared = Shared(random=random.Random(1))  # noqa: S311 - as above
        hosts = [Host(loop, shared, number) for number in range(2)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(host.run()) for host in hosts]
            await _watch(hosts, loop, TAKE_SECONDS + 2)
            (holder,) = (host for host in hosts if host.guard.may_send())
            holder.cut_off = cut_off
            shared.seen = Seen(revision=0, holder=None)
            senders = [who for _, who in await _watch(hosts, loop, TAKE_SECONDS + 2)]
            assert (senders[-1] == holder.name) is not cut_off
            assert cut_off or set(senders) == {holder.name}
            for task in tasks:
                task.cancel()

    run_whole(play)


def test_a_holder_that_stays_sends_on_alone_and_leaves_after_a_freeze() -> None:
    """With `stay` a cut off holder keeps sending; one that was frozen for as long as its time leaves, and may come back as any other."""

    async def play(loop: VirtualLoop) -> None:
        shared = Shared(random=random.Random(1))  # noqa: S311 - as above
        first = Host(loop, shared, 0, stays=True)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(first.run())]
            await _watch([first], loop, TAKE_SECONDS + 2)
            first.cut_off = True
            assert {who for _, who in await _watch([first], loop, 60)} == {first.name}
            first.cut_off = False
            await _watch([first], loop, 5)
            second = Host(loop, shared, 1)
            tasks.append(group.create_task(second.run()))
            term = first.terms
            first.thawed.clear()
            await asyncio.sleep(300)
            first.thawed.set()
            await _watch([first, second], loop, 20)
            assert first.terms > term
            for task in tasks:
                task.cancel()

    run_whole(play)


@pytest.mark.parametrize("stays", [False, True])
def test_a_freeze_that_is_just_too_long_ends_the_term(*, stays: bool) -> None:
    """A holder whose senders were refused keeps no lease, though nobody else has taken it yet: somebody sends again soon."""

    async def play(loop: VirtualLoop) -> None:
        shared = Shared(random=random.Random(1))  # noqa: S311 - as above
        hosts = [Host(loop, shared, number, stays=stays) for number in range(2)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(host.run()) for host in hosts]
            await _watch(hosts, loop, TAKE_SECONDS + 2)
            (holder,) = (host for host in hosts if host.guard.may_send())
            term, guard = holder.terms, holder.guard
            holder.thawed.clear()
            await asyncio.sleep(HOLD_SECONDS + 0.9)
            # A sender of the host that wakes is the first to ask.
            assert not guard.may_send()
            holder.thawed.set()
            senders = [who for _, who in await _watch(hosts, loop, TAKE_SECONDS + 3)]
            assert senders[-1]
            assert (holder.terms > term, guard.may_send()) == (True, False)
            for task in tasks:
                task.cancel()

    run_whole(play)


def test_a_release_whose_answer_was_lost_is_a_release() -> None:
    """The host that finds its own release in the bucket left in order, and says so to the others."""
    lease = Lease(host="a", process="a/1", place="p", rank=1, now=0.0)
    lease.see(Seen(revision=0, holder=None), 0.0)
    lease.wrote(Holder(host="a", process="a/1", place="p", epoch=1), 1, began=0.5, now=0.5)
    lease.see(Seen(revision=2, holder=lease.release("b")), 1.0)
    assert (lease.state, lease.end) == (LeaseState.LEFT, LeaseEnd.RELEASED)


def test_a_restart_on_the_same_host_does_not_wait() -> None:
    """A process takes the lease of the one before it, whose state folder it has, without waiting for its end."""
    before = Holder(host="a", process="a/1", place="boot:1:2", epoch=4)
    lease = Lease(host="a", process="a/2", place="boot:1:2", rank=1, now=10.0)
    lease.see(Seen(revision=7, holder=before), 10.1)
    wanted = lease.wanted(10.1)
    assert wanted is not None
    assert wanted.epoch == 5
    elsewhere = Lease(host="a", process="b/1", place="boot:1:3", rank=1, now=10.0)
    elsewhere.see(Seen(revision=7, holder=before), 10.1)
    assert elsewhere.wanted(10.1 + TAKE_SECONDS - 0.01) is None
    assert elsewhere.wanted(10.1 + TAKE_SECONDS) is not None


def test_a_guard_closes_by_itself_and_never_opens_again() -> None:
    """A process that was frozen finds its time over at the first question."""
    now = [0.0]
    guard = LeaseGuard(lambda: now[0])
    assert not guard.may_send()
    guard.extend(HOLD_SECONDS)
    now[0] = HOLD_SECONDS - 0.001
    assert guard.may_send()
    now[0] = 60.0
    assert not guard.may_send()
    guard.close()
    guard.extend(100.0)
    assert not guard.may_send()


def test_a_renewal_whose_answer_was_lost_is_known_again() -> None:
    """The holder finds its own write under a new revision, renews from there, and has no more time than before."""
    lease = Lease(host="a", process="a/1", place="p", rank=1, now=0.0)
    lease.see(Seen(revision=0, holder=None), 0.0)
    lease.wrote(Holder(host="a", process="a/1", place="p", epoch=1), 1, began=0.5, now=0.5)
    lease.see(Seen(revision=2, holder=lease.renewal()), 3.0)
    assert (lease.state, lease.revision, lease.deadline) == (LeaseState.HELD, 2, 0.5 + HOLD_SECONDS)
    lease.see(Seen(revision=3, holder=Holder(host="b", process="b/1", place="q", epoch=2)), 3.1)
    assert (lease.state, lease.end) == (LeaseState.LEFT, LeaseEnd.LOST)


def test_an_answer_after_the_end_changes_nothing() -> None:
    """A renewal that was under way when the lease was given up does not bring it back."""
    lease = Lease(host="a", process="a/1", place="p", rank=1, now=0.0)
    lease.see(Seen(revision=0, holder=None), 0.0)
    lease.wrote(Holder(host="a", process="a/1", place="p", epoch=1), 1, began=0.5, now=0.5)
    renewal = lease.renewal()
    lease.leave(LeaseEnd.RELEASED)
    lease.wrote(renewal, 2, began=1.0, now=1.0)
    assert (lease.state, lease.end) == (LeaseState.LEFT, LeaseEnd.RELEASED)
    assert lease.deadline < 0


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"host": 1}', b"\xff", b'{"host":"a","process":"b","epoch":"x","place":""}']
)
def test_a_value_that_is_no_lease_is_refused(value: bytes) -> None:
    """Whatever stands in the bucket is a holder or a clear error."""
    with pytest.raises(ValueError, match=r".+"):
        Holder.decode(value)
    holder = Holder(host="ä", process="p", place="q", epoch=3, released=True, next_host="b")
    assert Holder.decode(holder.encode()) == holder
