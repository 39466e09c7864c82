"""How long an item is on: `for=`, `until=`, and the backup of an item, in a line and in saved state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.airtime import ends_wall, parse_clock, parse_length
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.load import allowed_folders, load, missing_files


def parse(line: str) -> Item:
    """The item of one line in /channel/playlist.txt."""
    return parse_line(line, base="/channel", allowed=AllowedFolders.of(["/channel"]))


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host in a zone with summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_lengths_and_times_of_day() -> None:
    """Hours, minutes and seconds in any combination; times with one digit or two."""
    assert [parse_length(text) for text in ("2h", "90m", "1h30m", "45s")] == [7200, 5400, 5400, 45]
    assert [parse_clock(text) for text in ("18:30", "7:05")] == ["18:30", "07:05"]


@pytest.mark.usefixtures("berlin")
def test_until_is_the_next_such_time_of_the_host() -> None:
    """Later today or tomorrow, also over a night in which the clock is set; the earlier of both options counts."""

    def wall(text: str) -> float:
        return datetime.fromisoformat(text).timestamp()

    assert ends_wall(wall("2026-06-01T12:00:00"), for_seconds=None, until="18:30") == wall("2026-06-01T18:30:00")
    assert ends_wall(wall("2026-06-01T19:00:00"), for_seconds=None, until="18:30") == wall("2026-06-02T18:30:00")
    assert ends_wall(wall("2026-10-24T20:00:00"), for_seconds=None, until="08:00") == wall("2026-10-25T08:00:00")
    assert ends_wall(wall("2026-06-01T12:00:00"), for_seconds=600, until="18:30") == wall("2026-06-01T12:10:00")
    assert ends_wall(0.0, for_seconds=None, until="") is None


def test_a_backup_is_a_line_of_its_own() -> None:
    """What follows backup= belongs to the backup, which may have one too; it survives in saved state."""
    item = parse("rtmp://studio/live/key | for=2h | title=Live | backup=standby.mp4 | volume=0.5 | backup=clips/")
    assert (item.kind, item.title, item.for_seconds, item.volume) == (LocatorKind.LIVE, "Live", 7200.0, 1.0)
    assert item.backup is not None
    assert (item.backup.locator, item.backup.volume) == ("/channel/standby.mp4", 0.5)
    assert item.backup.backup is not None
    assert item.backup.backup.locator == "/channel/clips"
    assert item_from_json(item_as_json(item)) == item


def test_a_backup_of_a_link_from_the_chat_is_public_too() -> None:
    """What was added in the chat must not lead into the host's own network by its backup."""
    item = parse("https://example.org/live | public=1 | backup=http://192.168.1.1/")
    assert item.backup is not None
    assert item.backup.public_only


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("film.mp4 | for=2", "not a length"),
        ("film.mp4 | for=0s", "not a length"),
        ("film.mp4 | for=200h", "a week at most"),
        ("film.mp4 | until=24:00", "not a time of day"),
        ("film.mp4 | backup=", "names nothing to play"),
        ("film.mp4 | backup=other.mp4 | for=1h", "before backup="),
        ("film.mp4 | backup=/etc/passwd", "outside"),
    ],
)
def test_wrong_times_and_backups(line: str, words: str) -> None:
    """Each is refused with the way to write it."""
    with pytest.raises(PlaylistError, match=words):
        parse(line)


def test_check_names_a_backup_that_is_missing(tmp_path: Path) -> None:
    """A backup whose file does not exist is found before it is needed."""
    (tmp_path / "film.mp4").write_bytes(b"x")
    path = tmp_path / "list.txt"
    path.write_text("film.mp4 | backup=nowhere.mp4\n")
    found = missing_files(load(path, allowed_folders(path)), allowed_folders(path))
    assert ["nowhere.mp4" in str(problem) for problem in found] == [True]
