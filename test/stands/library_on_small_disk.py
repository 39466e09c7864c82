"""What a library must do on a full, shrinking or read-only disk; each function is called in a process with a small one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from structlog.testing import capture_logs
from structlog.typing import EventDict

from stands import cached
from tg_video_streamer.library.cache_state import free_bytes
from tg_video_streamer.library.library import Library
from tg_video_streamer.library.writer import CacheWriter

MEGABYTE = 1_000_000


def full_while_caching(folder: Path) -> None:
    """8 MB: what does not fit is given up, freed and reported once; smaller items are cached again."""
    library = cached.library(folder)
    one = cached.encode(library, cached.item("one"))
    free = free_bytes(folder)
    with capture_logs() as logs:
        for name in ("large", "larger"):
            writer = _write(library, name, 12 * MEGABYTE)
            assert "No space left" in writer.failed, writer.failed
            assert writer.commit() is None
            assert not list(folder.glob("*part"))
            assert free_bytes(folder) >= free - 200_000, "its disk was not given free"
            assert "No space left" in str(library.problem)
    assert _warnings(logs) == ["library caches nothing"], logs
    assert cached.read_all(one) == list(cached.packets())
    cached.encode(library, cached.item("small"))
    assert library.problem is None


def full_at_the_commit(folder: Path) -> None:
    """8 MB, full when the sidecar is written: no part of an encode stays."""
    library = cached.library(folder)
    writer = _write(library, "one", MEGABYTE)
    assert writer.failed == ""
    with _full(folder):
        assert writer.commit() is None
        assert "No space left" in str(library.problem)
    assert {path.name for path in folder.iterdir() if path.suffix in {".flv", ".json"}} == set()
    assert not list(folder.glob("*part"))
    cached.encode(library, cached.item("one"))
    assert library.problem is None


def full_by_others(folder: Path) -> None:
    """8 MB, filled by others while the library is open: every call returns, and encodes are found and read."""
    library = cached.library(folder)
    item = cached.item("one")
    encode = cached.encode(library, item)
    library.answered(item, item.locator, title="One", duration_seconds=None)
    with _full(folder), capture_logs() as logs:
        for number in range(2000):
            other = cached.item(str(number))
            library.answered(other, other.locator, title="t" * 200, duration_seconds=None)
        library.played(encode)
        library.gone(item, "gone")
        library.prune()
        found = library.find(item, item.locator)
        assert found is not None
        assert cached.read_all(found) == list(cached.packets())
        assert library.begin(cached.item("two"), "two", "two") is None or library.problem
    assert sorted(_warnings(logs)) == ["library caches nothing", "library has a problem"], _warnings(logs)
    cached.encode(library, cached.item("two"))
    library.played(encode)
    assert library.problem is None
    assert library.verify().whole == 2


def full_at_the_start(folder: Path) -> None:
    """8 MB, full when the service starts: cached encodes play, and the index returns to the disk later."""
    library = cached.library(folder)
    encode = cached.encode(library, cached.item("one"))
    library.close()
    with _full(folder):
        library = cached.library(folder)
        assert [one.key for one in library.encodes()] == [encode.key]
        assert cached.read_all(library.encodes()[0]) == list(cached.packets())
        assert library.begin(cached.item("two"), "two", "two") is None or library.problem
    library.prune()
    cached.encode(library, cached.item("two"))
    assert library.problem is None
    library.close()
    assert len(cached.library(folder).encodes()) == 2


def read_only(folder: Path) -> None:
    """A disk that became read-only: cached encodes play, nothing new is cached, and no call raises."""
    library = cached.library(folder)
    cached.encode(library, cached.item("one"))
    library.close()
    _read_only(folder)


def read_only_after_a_crash(folder: Path) -> None:
    """The same with the log of a killed process next to the index."""
    library = cached.library(folder)
    cached.encode(library, cached.item("one"))
    left = {path: path.read_bytes() for path in folder.glob("index.sqlite*")}
    library.close()
    assert len(left) == 3, left.keys()
    for path, content in left.items():
        path.write_bytes(content)
    _read_only(folder)


def _read_only(folder: Path) -> None:
    item = cached.item("one")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    library = cached.library(folder)
    encode = library.find(item, item.locator)
    assert encode is not None
    assert library.remembered(item) is not None
    assert cached.read_all(encode) == list(cached.packets())
    library.played(encode)
    assert library.problem
    assert library.begin(cached.item("two"), "two", "two") is None
    library.prune()
    library.drop(encode, "for a test")
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    library.prune()
    cached.encode(library, cached.item("two"))
    assert library.problem is None


def floor_while_caching(folder: Path) -> None:
    """100 MB with a floor of 40: the oldest encodes make space for a growing item; when none is left it is given up."""
    library = cached.library(folder, floor_bytes=40 * MEGABYTE)
    for name in ("one", "two"):
        assert _write(library, name, 15 * MEGABYTE).commit() is not None
    assert _write(library, "three", 45 * MEGABYTE).commit() is not None
    assert [encode.title for encode in library.encodes()] == ["two", "three"]
    writer = _write(library, "four", 90 * MEGABYTE)
    assert "space" in writer.failed, writer.failed
    assert library.encodes() == []
    assert not list(folder.glob("*part"))
    assert "space" in str(library.problem)


def _write(library: Library, name: str, size: int) -> CacheWriter:
    """A writer that got so many bytes; the caller checks whether it has failed."""
    writer = library.begin(cached.item(name), name, name)
    assert writer is not None, library.problem
    for packet in cached.packets(frames=size // 100_000, frame_bytes=100_000):
        writer.add(packet)
    return writer


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    """No byte is free inside the block."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (65536, 4096, 1):
            try:
                while True:
                    os.write(descriptor, b"x" * size)
            except OSError:
                continue
        yield
    finally:
        os.close(descriptor)
        filler.unlink()


def _warnings(logs: list[EventDict]) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] == "warning"]
