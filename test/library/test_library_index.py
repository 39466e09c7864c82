"""The index: found again, counted, ordered by play, remembered by source, and rebuilt after any damage."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from structlog.testing import capture_logs

from stands import cached
from stands.virtual_time import SetClock
from tg_video_streamer.errors import LibraryError
from tg_video_streamer.library.folder_check import file_system
from tg_video_streamer.library.library import Library


def test_hits_and_misses_are_counted(tmp_path: Path) -> None:
    """A play from a cached encode is a hit, an encoded play a miss; a changed source has no cached encode."""
    library = cached.library(tmp_path)
    item = cached.item("one")
    encode = cached.encode(library, item)
    assert library.find(item, item.locator) == encode
    assert library.find(item, "what it is since it was changed") is None
    assert library.find(cached.item("two"), "two") is None
    library.missed()
    library.played(encode)
    library.played(encode)
    assert (library.hits, library.misses, library.items) == (2, 1, 1)
    assert library.bytes == encode.bytes == encode.path.stat().st_size
    assert library.begin(item, item.locator, "cached already") is None


def test_everything_is_found_again_by_the_next_start(tmp_path: Path) -> None:
    """Copies, their plays and what sources said last outlive the process; the folder is for its user alone."""
    folder = tmp_path / "state" / "library"
    clock = SetClock(1_700_000_000.0)
    library = cached.library(folder, clock=clock)
    one, two = cached.item("one"), cached.item("two")
    library.answered(one, one.locator, title="One", duration_seconds=4.8)
    first, second = cached.encode(library, one), cached.encode(library, two)
    library.played(first)
    library.played(first)
    library.gone(two, "private")
    before = library.encodes()
    library.close()
    again = cached.library(folder, clock=clock)
    assert again.encodes() == before
    assert [(encode.key, encode.plays) for encode in before] == [(second.key, 0), (first.key, 2)]
    remembered = again.remembered(one)
    assert remembered is not None
    assert (remembered.source.title, remembered.source.duration_seconds) == ("One", 4.8)
    assert remembered.source.gone_reason == ""
    gone = again.remembered(two)
    assert gone is not None
    assert gone.source.gone_reason == "private"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_what_is_gone_is_not_played_until_it_is_back(tmp_path: Path) -> None:
    """A removed item is not played, except with LIBRARY_KEEP_REMOVED; an answer of its source ends that."""
    clock = SetClock(1_700_000_000.0)
    library, insured = cached.library(tmp_path, clock=clock), cached.library(tmp_path, clock=clock, keep_removed=True)
    item = cached.item("one")
    assert library.remembered(item) is None
    library.answered(item, item.locator, title="One", duration_seconds=None)
    assert library.remembered(item) is None, "there is no encode yet"
    cached.encode(library, item)
    outage = library.remembered(item)
    assert outage is not None
    assert library.playable(outage)
    library.gone(item, "removed by its owner")
    removed = insured.remembered(item)
    assert removed is not None
    assert removed.source.gone_reason == "removed by its owner"
    assert not library.playable(removed)
    assert insured.playable(removed)
    library.answered(item, item.locator, title="One", duration_seconds=None)
    back = library.remembered(item)
    assert back is not None
    assert library.playable(back)
    library.answered(item, "changed since", title="One", duration_seconds=None)
    assert library.remembered(item) is None, "its present content was never cached"


@settings(max_examples=40)
@given(
    source_id=some.text(alphabet=some.characters(), max_size=20),
    title=some.text(alphabet=some.characters(), max_size=20),
)
def test_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, source_id: str, title: str) -> None:
    """Names of files may be any bytes: they come back as they were, from the index and from the sidecars."""
    folder = tmp_path_factory.mktemp("names")
    item = cached.item("one")
    for _ in range(2):
        library = cached.library(folder)
        if not library.encodes():
            library.answered(item, source_id, title=title, duration_seconds=1.0)
            writer = library.begin(item, source_id, title)
            assert writer is not None
            for packet in cached.packets(frames=1):
                writer.add(packet)
            assert writer.commit() is not None
        remembered = library.remembered(item)
        assert remembered is not None
        assert (remembered.source.title, remembered.encode.title, remembered.encode.source_id) == (
            title,
            title,
            source_id,
        )
        library.close()
        (folder / "index.sqlite").unlink()


def _delete(path: Path) -> None:
    path.unlink()


def _delete_all(path: Path) -> None:
    for file in path.parent.glob("index.sqlite*"):
        file.unlink()


def _garbage(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"no database " * (size // 12))


def _garbage_inside(path: Path) -> None:
    _checkpoint(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def _empty(path: Path) -> None:
    _checkpoint(path)
    os.truncate(path, 0)


def _half(path: Path) -> None:
    _checkpoint(path)
    os.truncate(path, path.stat().st_size // 2)


def _later_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("ALTER TABLE copies RENAME COLUMN frames TO pictures")


def _other_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE sources")


def _wrong_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE copies SET frames = 'many', title = CAST(x'ff' AS TEXT)")


def _lost_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM copies")


def _checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_ALWAYS = [_delete, _delete_all, _garbage, _garbage_inside, _empty, _half, _later_version, _other_tables, _wrong_rows]


@pytest.mark.parametrize("harm", [*_ALWAYS, _lost_rows])
def test_a_lost_or_damaged_index_is_rebuilt_at_the_start(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """No damage to a closed index loses an encode: it comes back from the sidecars, with a warning."""
    library = cached.library(tmp_path)
    keys = {cached.encode(library, cached.item(name)).key for name in ("one", "two", "three")}
    library.close()
    harm(tmp_path / "index.sqlite")
    with capture_logs() as logs:
        library = cached.library(tmp_path)
        assert {encode.key for encode in library.encodes()} == keys
    assert any(line["log_level"] == "warning" for line in logs) or harm is _lost_rows
    _works(library)


@pytest.mark.parametrize("harm", _ALWAYS)
def test_an_index_that_is_lost_or_damaged_while_it_is_open_is_rebuilt(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """When an index that two channels have open is lost or damaged, both continue with all encodes and the same index."""
    library, neighbour = cached.library(tmp_path), cached.library(tmp_path)
    keys = {cached.encode(library, cached.item(name)).key for name in ("one", "two", "three")}
    harm(tmp_path / "index.sqlite")
    for _ in range(2):
        for one in (library, neighbour):
            assert {encode.key for encode in one.encodes()} == keys
    _works(library)
    _works(neighbour)
    assert library.encodes() == neighbour.encodes()


def _works(library: Library) -> None:
    assert library.problem is None
    item = cached.item("four")
    before = library.bytes
    encode = library.find(item, item.locator) or cached.encode(library, item)
    library.played(encode)
    assert library.encodes()[-1].key == encode.key
    assert library.bytes in {before, before + encode.bytes}
    assert cached.read_all(encode) == list(cached.packets())


def test_what_others_left_in_the_folder_is_swept_at_the_start(tmp_path: Path) -> None:
    """Unfinished files of killed processes and single files of encodes go; files of live writers and foreign files stay."""
    library = cached.library(tmp_path)
    encode, half, other = (cached.encode(library, cached.item(name)) for name in ("one", "two", "three"))
    library.close()
    half.path.unlink()
    other.path.with_suffix(".json").unlink()
    for name in (f"{'0' * 32}.ab.part", f"{'0' * 32}.ab.json-part", f"{'1' * 32}.ab.json-part", "holiday.part"):
        (tmp_path / name).write_bytes(b"left")
    living = cached.library(tmp_path)
    writer = living.begin(cached.item("four"), "four", "four")
    assert writer is not None
    (held,) = tmp_path.glob(f"{writer.key}.*")
    library = cached.library(tmp_path)
    assert library.encodes() == [encode]
    left = {path.name for path in tmp_path.iterdir()} - {encode.path.name, encode.path.with_suffix(".json").name}
    assert {name for name in left if not name.startswith(("index", "."))} == {"holiday.part", held.name}
    for packet in cached.packets():
        writer.add(packet)
    assert writer.commit() is not None


def test_an_encode_with_a_damaged_sidecar_is_not_listed_again(tmp_path: Path) -> None:
    """A damaged sidecar is not used: its encode is removed with a warning, and the others are listed."""
    library = cached.library(tmp_path)
    damaged, encode = cached.encode(library, cached.item("one")), cached.encode(library, cached.item("two"))
    library.close()
    (tmp_path / "index.sqlite").unlink()
    damaged.path.with_suffix(".json").write_bytes(b"{}")
    with capture_logs() as logs:
        library = cached.library(tmp_path)
    assert [one.key for one in library.encodes()] == [encode.key]
    assert not damaged.path.exists()
    assert "damaged cached encode removed" in {line["event"] for line in logs}


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """A file in its place: an error that says what to do."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LibraryError, match="LIBRARY_DIR"):
        cached.library(tmp_path / "file")


def test_the_file_system_of_a_folder_is_told_by_its_mount() -> None:
    """The longest mount point that holds the folder counts, of several on one the last, with its escapes undone."""
    mounts = (
        b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        b"30 22 0:40 / /srv rw shared:2 master:3 - nfs4 nas:/srv rw\n"
        b"31 30 0:41 / /srv/local rw - ext4 /dev/vdb rw\n"
        b"32 30 0:42 / /srv/a\\040b rw - cifs //nas/share rw\n"
        b"33 22 0:43 / /home rw - ext4 /dev/vdc rw\n"
        b"34 22 0:44 / /home rw - fuse.sshfs host: rw\n"
        b"nonsense\n"
    )
    told = {
        "/var/lib": "ext4",
        "/srv/library": "nfs4",
        "/srv/local/library": "ext4",
        "/srv/localized": "nfs4",
        "/srv/a b/library": "cifs",
        "/home": "fuse.sshfs",
    }
    assert {path: file_system(Path(path), mounts) for path in told} == told
    assert file_system(Path("/anything"), b"") == ""


def test_an_index_from_before_there_were_frame_rates_goes_on(tmp_path: Path) -> None:
    """The index of an older release keeps its entries and their plays; all of them have 25 frames a second."""
    library = cached.library(tmp_path)
    encode = cached.encode(library, cached.item("one"))
    library.played(encode)
    before = library.encodes()
    library.close()
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as db:
        db.execute("ALTER TABLE copies DROP COLUMN frame_rate")
        db.execute("PRAGMA user_version = 1")
    with capture_logs() as logs:
        again = cached.library(tmp_path)
    assert again.encodes() == before
    assert [one.rate for one in before] == [25]
    assert not [line for line in logs if line["log_level"] != "info"]
