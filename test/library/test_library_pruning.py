"""Room: what goes first, what never goes, and how two processes share a folder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some
from structlog.testing import capture_logs

from stands import keeping_child, kept
from stands.virtual_time import SetClock
from stands.waiting import wait_until
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.pruning import shortage

_READER = """
import sys
from pathlib import Path
from stands import kept
library = kept.library(Path(sys.argv[1]))
reader = library.copies()[0].open()
writer = library.begin(kept.item("of another process"), "of another process", "")
for packet in kept.packets():
    writer.add(packet)
print("holding", flush=True)
sys.stdin.readline()
reader.close()
assert writer.commit() is not None
"""


def _names(copies: list[CachedEncode] | tuple[CachedEncode, ...]) -> list[str]:
    return [copy.title for copy in copies]


def test_the_least_recently_played_go_first(tmp_path: Path) -> None:
    """Beyond the limit what was not played for longest goes, whatever the wall clock says; what is next or open stays."""
    clock = SetClock(1_700_000_000.0)
    library = kept.library(tmp_path, clock=clock)
    copies = {name: kept.keep(library, kept.item(name)) for name in ("one", "two", "three", "four", "five")}
    clock.now -= 1_000_000
    library.played(copies["one"])
    library.close()
    size = copies["one"].bytes
    library = kept.library(tmp_path, clock=clock, max_bytes=3 * size)
    with copies["two"].open() as reader:
        pruned = library.prune(wanted={copies["three"].key})
        assert _names(pruned.copies) == ["four", "five"]
        assert (pruned.bytes, pruned.short_bytes) == (2 * size, 0)
        assert _names(library.copies()) == ["two", "three", "one"]
        assert reader.read(2)
    assert library.prune().copies == ()
    library.close()
    library = kept.library(tmp_path, clock=clock, max_bytes=size // 2)
    with copies["one"].open():
        pruned = library.prune()
    assert _names(pruned.copies) == ["two", "three"]
    assert pruned.short_bytes == size - size // 2
    assert {path.suffix for path in tmp_path.glob("*.*")} >= {".flv", ".json"}
    assert _names(library.prune().copies) == ["one"]
    assert library.bytes == 0


def test_what_is_kept_next_makes_its_own_room(tmp_path: Path) -> None:
    """At the limit a new copy takes the place of the oldest, never of what is next; what is too large is not kept at all."""
    size = kept.keep(kept.library(tmp_path / "any"), kept.item("any")).bytes
    library = kept.library(tmp_path / "kept", max_bytes=2 * size)
    one, _two = kept.keep(library, kept.item("one")), kept.keep(library, kept.item("two"))
    library.prune(wanted={one.key})
    kept.keep(library, kept.item("six"))
    assert _names(library.copies()) == ["one", "six"]
    writer = library.begin(kept.item("long"), "long", "long")
    assert writer is not None
    for packet in kept.packets(frames=250):
        writer.add(packet)
    assert writer.commit() is None
    assert "larger" in writer.failed
    assert _names(library.copies()) == ["one", "six"]
    assert library.problem == ""
    assert not list(tmp_path.glob("kept/*.part"))


def test_one_that_outgrows_the_library_takes_nothing_with_it(tmp_path: Path) -> None:
    """An item larger than the whole library is given up while it is written, before anything was removed for it."""
    library = kept.library(tmp_path, max_bytes=10_000_000)
    copy = kept.keep(library, kept.item("one"))
    writer = library.begin(kept.item("long"), "long", "long")
    assert writer is not None
    for packet in kept.packets(frames=200, frame_bytes=100_000):
        writer.add(packet)
    assert "larger" in writer.failed
    assert not list(tmp_path.glob("*.part"))
    assert library.copies() == [copy]


def test_off_keeps_nothing_new(tmp_path: Path) -> None:
    """With a limit of 0 nothing is kept."""
    library = kept.library(tmp_path, max_bytes=0)
    assert library.begin(kept.item("one"), "one", "one") is None
    assert library.problem == ""


def test_below_the_floor_nothing_is_kept_and_it_is_said_once(tmp_path: Path) -> None:
    """Where the disk has less free than the floor, copies go, nothing is begun, and one warning says so until it is over."""
    library = kept.library(tmp_path)
    copy = kept.keep(library, kept.item("one"))
    poor = kept.library(tmp_path, floor_bytes=1 << 62)
    with capture_logs() as logs, copy.open():
        assert poor.begin(kept.item("two"), "two", "two") is None
        assert poor.begin(kept.item("three"), "three", "three") is None
        assert poor.copies() == [copy], "it is on air"
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["the library keeps nothing"]
    assert "room" in poor.problem
    assert poor.begin(kept.item("two"), "two", "two") is None
    assert library.copies() == []


@given(
    kept_bytes=some.integers(0, 1 << 50),
    coming=some.integers(0, 1 << 50),
    free=some.integers(0, 1 << 50),
    limit=some.integers(0, 1 << 50),
    floor=some.integers(0, 1 << 50),
)
def test_the_shortage_is_what_both_limits_lack(kept_bytes: int, coming: int, free: int, limit: int, floor: int) -> None:
    """Once so much has gone both limits are kept, and with a byte less one of them is not."""
    short = shortage(kept=kept_bytes, coming=coming, free=free, max_bytes=limit, floor_bytes=floor)
    assert kept_bytes + coming - short <= limit
    assert free + short >= floor
    assert short == 0 or kept_bytes + coming - short + 1 > limit or free + short - 1 < floor


def test_what_another_process_has_open_is_left_alone(tmp_path: Path) -> None:
    """A copy on air in one process outlives the pruning of another, and what it is writing is not swept."""
    library = kept.library(tmp_path)
    for name in ("on air", "idle"):
        kept.keep(library, kept.item(name))
    library.close()
    with subprocess.Popen(
        [sys.executable, "-c", _READER, str(tmp_path)],
        cwd=keeping_child.TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "holding\n"
        poor = kept.library(tmp_path, max_bytes=1)
        assert _names(poor.prune().copies) == ["idle"]
        assert _names(poor.copies()) == ["on air"]
        assert len(list(tmp_path.glob("*.part"))) == 1
        other.stdin.write("\n")
        other.stdin.close()
        assert other.wait(timeout=60) == 0
    assert len(poor.copies()) == 2
    assert len(poor.prune().copies) == 2


def test_two_channels_that_keep_the_same_item_keep_one_copy(tmp_path: Path) -> None:
    """While one keeps an item the other does not; then both have that copy, and nothing else is left of it."""
    first, second = kept.library(tmp_path), kept.library(tmp_path)
    item = kept.item("one")
    writer = first.begin(item, item.locator, item.title)
    assert writer is not None
    assert second.begin(item, item.locator, item.title) is None
    for packet in kept.packets(seed=0):
        writer.add(packet)
    copy = writer.commit()
    assert copy is not None
    assert second.copy_of(item, item.locator) == copy
    assert kept.read_all(copy) == list(kept.packets(seed=0))
    assert len(first.copies()) == len(second.copies()) == 1
    assert len(list(tmp_path.glob("*.part"))) == 0


def test_many_threads_keep_play_and_prune_at_once(tmp_path: Path) -> None:
    """Four threads over two libraries in one folder do everything at once: what is listed in the end is whole."""
    libraries = [kept.library(tmp_path, max_bytes=keeping_child.MAX_BYTES) for _ in range(2)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        library = libraries[number % 2]
        try:
            for turn in range(15):
                item = kept.item(str((turn * (number + 3)) % 20))
                library.answered(item, item.locator, title="", duration_seconds=None)
                if (copy := library.copy_of(item, item.locator)) is not None:
                    library.played(copy)
                elif (writer := library.begin(item, item.locator, item.title)) is not None:
                    for packet in kept.packets(seed=number):
                        writer.add(packet)
                    writer.commit()
                library.prune()
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), timeout=100, what="all threads are done")
    assert failures == []
    assert [library.problem for library in libraries] == ["", ""]
    assert libraries[0].copies() == libraries[1].copies()
    assert libraries[0].verify().damaged == ()
    assert 0 < libraries[0].bytes <= keeping_child.MAX_BYTES


def test_one_item_is_kept_by_one_at_a_time(tmp_path: Path) -> None:
    """What one process is keeping no other begins, until it is done or has given up; a killed one is in nobody's way."""
    first, second = kept.library(tmp_path), kept.library(tmp_path)
    item = kept.item("shared")
    writer = first.begin(item, item.locator, item.title)
    assert writer is not None
    assert second.begin(item, item.locator, item.title) is None
    assert second.being_kept(item, item.locator)
    assert second.begin(kept.item("other"), "other", "other") is not None
    writer.abandon()
    assert not second.being_kept(item, item.locator)
    left = tmp_path / f"{writer.key}.0123456789abcdef.part"
    left.touch()
    assert not second.being_kept(item, item.locator)
    kept.keep(second, item)
    assert first.begin(item, item.locator, item.title) is None
    assert not first.being_kept(item, item.locator)
    for library in (first, second):
        library.close()
