"""The as-run logs of several hosts become one: each segment once, whatever is lost, late, or put in twice."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.asrun.sharing import AsRunSharing, read_place
from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.events import SourceLevel


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """See sharing.Line."""

    sequence: int
    line: str


@dataclass(kw_only=True)
class Stream:
    """What NATS keeps; it may be away, and may take a line whose answer is lost."""

    lines: list[Sent] = field(default_factory=list)
    away: bool = False
    loses_answers: bool = False

    async def put(self, line: str, *, identity: str) -> None:
        """See SharedLines."""
        assert identity
        self._check()
        self.lines.append(Sent(sequence=len(self.lines) + 1, line=line))
        if self.loses_answers:
            raise FleetUnreachable.of("fleet.unreachable", detail="a test")

    async def after(self, sequence: int) -> Sequence[Sent]:
        """See SharedLines; two at a time."""
        self._check()
        return self.lines[sequence : sequence + 2]

    def _check(self) -> None:
        if self.away:
            raise FleetUnreachable.of("fleet.unreachable", detail="a test")


class Host:
    """One host's log."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "as-run.jsonl"
        self.stream = stream
        self.log = AsRunLog(self.path)
        self.log.start()
        self.sharing = AsRunSharing(self.log, self.path, stream)

    def air(self, number: int) -> None:
        """A segment has ended here."""
        entry = AsRunEntry(
            start=f"2026-01-01T00:{number:02}:00.000+00:00",
            end=f"2026-01-01T00:{number:02}:59.000+00:00",
            seconds=59.0,
            reason="ended",
            key=f"item {number}",
            level=SourceLevel.ITEM,
        )
        self.log.add(entry.line())
        assert self.log.settle(60)

    async def exchange(self) -> None:
        """Share, if that is possible now."""
        try:
            await self.sharing.exchange()
        except FleetUnreachable:
            return
        finally:
            assert self.log.settle(60)

    def restart(self) -> None:
        """Another process with the same folder."""
        self.log.stop()
        self.log = AsRunLog(self.path)
        self.log.start()
        self.sharing = AsRunSharing(self.log, self.path, self.stream)
        self.sharing.recall(*read_place(self.path))

    def keys(self) -> list[str]:
        """What its log has."""
        if not self.path.exists():
            return []
        return [json.loads(line)["key"] for line in self.path.read_text().splitlines()]


async def test_each_host_has_the_lines_of_all(tmp_path: Path) -> None:
    """Lines go both ways, and a host that was away catches up."""
    stream = Stream()
    one, two = Host(tmp_path / "one", stream), Host(tmp_path / "two", stream)
    for number in range(5):
        one.air(number)
    stream.away = True
    await one.exchange()
    stream.away = False
    await one.exchange()
    await two.exchange()
    two.air(5)
    await two.exchange()
    one.restart()
    await one.exchange()
    expected = [f"item {number}" for number in range(6)]
    assert one.keys() == two.keys() == expected
    assert len(stream.lines) == 6
    for host in (one, two):
        host.log.stop()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_line_is_lost_or_there_twice(seed: int) -> None:
    """Restarts, a stream that is away or loses answers, lines in any turn: each log has each segment once in the end."""
    chance = random.Random(seed)  # noqa: S311 - which fault comes next is no secret

    async def play(folder: Path) -> None:
        stream = Stream()
        hosts = [Host(folder / name, stream) for name in ("one", "two", "three")]
        for number in range(20):
            host = chance.choice(hosts)
            host.air(number)
            stream.away = chance.random() < 0.3
            stream.loses_answers = chance.random() < 0.3
            for other in hosts:
                if chance.random() < 0.2:
                    other.restart()
                if chance.random() < 0.5:
                    await other.exchange()
        stream.away = stream.loses_answers = False
        for _ in range(2):
            for host in hosts:
                await host.exchange()
        for host in hosts:
            host.log.stop()
            assert sorted(host.keys()) == sorted(f"item {number}" for number in range(20))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


def test_a_place_that_is_damaged_is_compared_anew(tmp_path: Path) -> None:
    """Whatever stands in the file, the lines are shared, and none is there twice."""

    async def play() -> None:
        stream = Stream()
        one = Host(tmp_path / "one", stream)
        one.air(1)
        await one.exchange()
        place = one.path.with_suffix(".shared")
        assert json.loads(place.read_bytes())["sequence"] == 0
        for content in (b"", b"[]", b"{}", b'{"sequence": 1e999, "put": 1}', b"\xff"):
            place.write_bytes(content)
            one.restart()
            running = asyncio.ensure_future(one.sharing.run())
            while place.read_bytes() == content:  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait((running,))
        assert one.keys() == ["item 1"]
        two = Host(tmp_path / "two", stream)
        await two.exchange()
        assert two.keys() == ["item 1"]
        for host in (one, two):
            host.log.stop()

    asyncio.run(play())
