"""Pruning: what goes first, what never goes, and how two processes share a folder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some
from structlog.testing import capture_logs

from stands import cached, library_child
from stands.virtual_time import SetClock
from stands.waiting import wait_until
from tg_video_streamer.library.cache_state import shortage
from tg_video_streamer.library.cached_encode import CachedEncode

_READER = """
import sys
from pathlib import Path
from stands import cached
library = cached.library(Path(sys.argv[1]))
reader = library.encodes()[0].open()
writer = library.begin(cached.item("of another process"), "of another process", "")
for packet in cached.packets():
    writer.add(packet)
print("holding", flush=True)
sys.stdin.readline()
reader.close()
assert writer.commit() is not None
"""


def _names(encodes: list[CachedEncode] | tuple[CachedEncode, ...]) -> list[str]:
    return [encode.title for encode in encodes]


def test_the_least_recently_played_go_first(tmp_path: Path) -> None:
    """Beyond the limit what was not played for longest goes, whatever the wall clock says; what is next or open stays."""
    clock = SetClock(1_700_000_000.0)
    library = cached.library(tmp_path, clock=clock)
    encodes = {name: cached.encode(library, cached.item(name)) for name in ("one", "two", "three", "four", "five")}
    clock.now -= 1_000_000
    library.played(encodes["one"])
    library.close()
    size = encodes["one"].bytes
    library = cached.library(tmp_path, clock=clock, max_bytes=3 * size)
    with encodes["two"].open() as reader:
        pruned = library.prune(wanted={encodes["three"].key})
        assert _names(pruned.encodes) == ["four", "five"]
        assert (pruned.bytes, pruned.short_bytes) == (2 * size, 0)
        assert _names(library.encodes()) == ["two", "three", "one"]
        assert reader.read(2)
    assert library.prune().encodes == ()
    library.close()
    library = cached.library(tmp_path, clock=clock, max_bytes=size // 2)
    with encodes["one"].open():
        pruned = library.prune()
    assert _names(pruned.encodes) == ["two", "three"]
    assert pruned.short_bytes == size - size // 2
    assert {path.suffix for path in tmp_path.glob("*.*")} >= {".flv", ".json"}
    assert _names(library.prune().encodes) == ["one"]
    assert library.bytes == 0


def test_a_new_encode_makes_its_own_space(tmp_path: Path) -> None:
    """At the limit a new encode replaces the oldest, never one that is next; one that is too large is not cached."""
    size = cached.encode(cached.library(tmp_path / "any"), cached.item("any")).bytes
    library = cached.library(tmp_path / "cached", max_bytes=2 * size)
    one, _two = cached.encode(library, cached.item("one")), cached.encode(library, cached.item("two"))
    library.prune(wanted={one.key})
    cached.encode(library, cached.item("six"))
    assert _names(library.encodes()) == ["one", "six"]
    writer = library.begin(cached.item("long"), "long", "long")
    assert writer is not None
    for packet in cached.packets(frames=250):
        writer.add(packet)
    assert writer.commit() is None
    assert "larger" in writer.failed
    assert _names(library.encodes()) == ["one", "six"]
    assert library.problem is None
    assert not list(tmp_path.glob("cached/*.part"))


def test_one_that_outgrows_the_library_takes_nothing_with_it(tmp_path: Path) -> None:
    """An item larger than the whole library is given up while it is written, before anything was removed for it."""
    library = cached.library(tmp_path, max_bytes=10_000_000)
    encode = cached.encode(library, cached.item("one"))
    writer = library.begin(cached.item("long"), "long", "long")
    assert writer is not None
    for packet in cached.packets(frames=200, frame_bytes=100_000):
        writer.add(packet)
    assert "larger" in writer.failed
    assert not list(tmp_path.glob("*.part"))
    assert library.encodes() == [encode]


def test_off_caches_nothing_new(tmp_path: Path) -> None:
    """With a limit of 0 nothing is cached."""
    library = cached.library(tmp_path, max_bytes=0)
    assert library.begin(cached.item("one"), "one", "one") is None
    assert library.problem is None


def test_below_the_floor_nothing_is_cached_and_the_warning_comes_once(tmp_path: Path) -> None:
    """Below the free-space floor encodes are removed, none is begun, and one warning says so until it is over."""
    library = cached.library(tmp_path)
    encode = cached.encode(library, cached.item("one"))
    poor = cached.library(tmp_path, floor_bytes=1 << 62)
    with capture_logs() as logs, encode.open():
        assert poor.begin(cached.item("two"), "two", "two") is None
        assert poor.begin(cached.item("three"), "three", "three") is None
        assert poor.encodes() == [encode], "it is on air"
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["library caches nothing"]
    assert "space" in str(poor.problem)
    assert poor.begin(cached.item("two"), "two", "two") is None
    assert library.encodes() == []


@given(
    cached_bytes=some.integers(0, 1 << 50),
    coming=some.integers(0, 1 << 50),
    free=some.integers(0, 1 << 50),
    limit=some.integers(0, 1 << 50),
    floor=some.integers(0, 1 << 50),
)
def test_the_shortage_is_what_both_limits_lack(
    cached_bytes: int, coming: int, free: int, limit: int, floor: int
) -> None:
    """Once the shortage is removed both limits hold, and with a byte less one of them does not."""
    short = shortage(cached=cached_bytes, coming=coming, free=free, max_bytes=limit, floor_bytes=floor)
    assert cached_bytes + coming - short <= limit
    assert free + short >= floor
    assert short == 0 or cached_bytes + coming - short + 1 > limit or free + short - 1 < floor


def test_what_another_process_has_open_is_left_alone(tmp_path: Path) -> None:
    """An encode that one process plays outlives the pruning of another, and what it writes is not removed."""
    library = cached.library(tmp_path)
    for name in ("on air", "idle"):
        cached.encode(library, cached.item(name))
    library.close()
    with subprocess.Popen(
        [sys.executable, "-c", _READER, str(tmp_path)],
        cwd=library_child.TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "holding\n"
        poor = cached.library(tmp_path, max_bytes=1)
        assert _names(poor.prune().encodes) == ["idle"]
        assert _names(poor.encodes()) == ["on air"]
        assert len(list(tmp_path.glob("*.part"))) == 1
        other.stdin.write("\n")
        other.stdin.close()
        assert other.wait(timeout=120) == 0
    assert len(poor.encodes()) == 2
    assert len(poor.prune().encodes) == 2


def test_two_channels_that_cache_the_same_item_share_one_encode(tmp_path: Path) -> None:
    """While one channel caches an item the other does not; then both have that encode, and no other file is left."""
    first, second = cached.library(tmp_path), cached.library(tmp_path)
    item = cached.item("one")
    writer = first.begin(item, item.locator, item.title)
    assert writer is not None
    assert second.begin(item, item.locator, item.title) is None
    for packet in cached.packets(seed=0):
        writer.add(packet)
    encode = writer.commit()
    assert encode is not None
    assert second.find(item, item.locator) == encode
    assert cached.read_all(encode) == list(cached.packets(seed=0))
    assert len(first.encodes()) == len(second.encodes()) == 1
    assert len(list(tmp_path.glob("*.part"))) == 0


def test_many_threads_cache_play_and_prune_at_once(tmp_path: Path) -> None:
    """Four threads over two libraries in one folder do everything at once: what is listed in the end is whole."""
    libraries = [cached.library(tmp_path, max_bytes=library_child.MAX_BYTES) for _ in range(2)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        library = libraries[number % 2]
        try:
            for turn in range(15):
                item = cached.item(str((turn * (number + 3)) % 20))
                library.answered(item, item.locator, title="", duration_seconds=None)
                if (encode := library.find(item, item.locator)) is not None:
                    library.played(encode)
                elif (writer := library.begin(item, item.locator, item.title)) is not None:
                    for packet in cached.packets(seed=number):
                        writer.add(packet)
                    writer.commit()
                library.prune()
        except BaseException as error:  # noqa: BLE001 - the test's own thread reports it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), timeout=100, what="all threads are done")
    assert failures == []
    assert [library.problem for library in libraries] == [None, None]
    assert libraries[0].encodes() == libraries[1].encodes()
    assert libraries[0].verify().damaged == ()
    assert 0 < libraries[0].bytes <= library_child.MAX_BYTES


def test_one_item_is_cached_by_one_process_at_a_time(tmp_path: Path) -> None:
    """No second process caches an item until the first is done or has given up; a killed process blocks none."""
    first, second = cached.library(tmp_path), cached.library(tmp_path)
    item = cached.item("shared")
    writer = first.begin(item, item.locator, item.title)
    assert writer is not None
    assert second.begin(item, item.locator, item.title) is None
    assert second.is_caching(item, item.locator)
    assert second.begin(cached.item("other"), "other", "other") is not None
    writer.abandon()
    assert not second.is_caching(item, item.locator)
    left = tmp_path / f"{writer.key}.0123456789abcdef.part"
    left.touch()
    assert not second.is_caching(item, item.locator)
    cached.encode(second, item)
    assert first.begin(item, item.locator, item.title) is None
    assert not first.is_caching(item, item.locator)
    for library in (first, second):
        library.close()
