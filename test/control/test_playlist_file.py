"""The playlist edited through the service: nothing that anybody wrote is lost, and the file is whole at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.control.playlist_file import MAX_LINES, MAX_TEXT_BYTES, PlaylistFile
from tg_video_streamer.errors import ControlError
from tg_video_streamer.playlist.load import allowed_folders


def _file(path: Path) -> PlaylistFile:
    return PlaylistFile(path, allowed=lambda: allowed_folders(path, ()))


def test_a_saved_text_is_what_is_read(tmp_path: Path) -> None:
    """What is saved is in the file, behind the link that PLAYLIST is, with the file's own rights; no other file is left."""
    target = tmp_path / "shared" / "playlist.txt"
    target.parent.mkdir()
    target.write_text("one.mp4\n")
    target.chmod(0o640)
    link = tmp_path / "playlist.txt"
    link.symlink_to(target)
    playlist = _file(link)
    playlist.save("two.mp4\r\ngrößer.mp4\n", version=playlist.read().version)
    assert playlist.read().text == "two.mp4\ngrößer.mp4\n"
    assert link.is_symlink()
    assert target.read_bytes() == "two.mp4\ngrößer.mp4\n".encode()
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["playlist.txt"]


def test_a_change_by_another_is_not_overwritten(tmp_path: Path) -> None:
    """A text that was read before somebody else wrote is refused, and theirs stays."""
    path = tmp_path / "playlist.txt"
    playlist = _file(path)
    version = playlist.read().version
    path.write_text("theirs.mp4\n")
    with pytest.raises(ControlError, match="has changed since"):
        playlist.save("mine.mp4\n", version=version)
    assert path.read_text() == "theirs.mp4\n"


@pytest.mark.parametrize(
    ("text", "match"), [("a\0b", "zero byte"), ("x" * (MAX_TEXT_BYTES + 1), "longer"), ("\ud800", "no file can hold")]
)
def test_what_is_no_playlist_is_not_saved(tmp_path: Path, text: str, match: str) -> None:
    """A text that is no text, or endless, is refused with the reason, and the file stays."""
    path = tmp_path / "playlist.txt"
    path.write_text("one.mp4\n")
    playlist = _file(path)
    with pytest.raises(ControlError, match=match):
        playlist.save(text, version=playlist.read().version)
    assert path.read_text() == "one.mp4\n"


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    """Where the file cannot be written the operator learns why, and that it is unchanged."""
    folder = tmp_path / "gone"
    folder.mkdir()
    playlist = _file(folder / "playlist.txt")
    version = playlist.read().version
    folder.rmdir()
    with pytest.raises(ControlError, match="cannot be written: No such file"):
        playlist.save("one.mp4", version=version)


def test_bytes_that_are_no_text_are_not_edited(tmp_path: Path) -> None:
    """A file whose bytes an edit would lose is refused for editing."""
    path = tmp_path / "playlist.txt"
    path.write_bytes(b"caf\xe9.mp4\n")
    with pytest.raises(ControlError, match="not UTF-8"):
        _file(path).read()


def test_a_check_names_the_lines(tmp_path: Path) -> None:
    """A check says how many entries will play, which of its lines would be left out or name no file, and changes nothing."""
    (tmp_path / "one.mp4").touch()
    path = tmp_path / "playlist.txt"
    found = _file(path).check("# a comment\none.mp4\ntwo.mp4\nhttps://example.org/a | start=-5\n")
    assert found.items == 1
    assert [problem.line for problem in found.problems] == [3, 4]
    assert "two.mp4 does not exist" in found.problems[0].what.text
    assert not path.exists()


@given(st.text())
def test_any_text_is_checked(text: str) -> None:
    """Whatever is typed, the check answers."""
    found = _file(Path("/nowhere/playlist.txt")).check(text)
    assert found.items >= 0


@pytest.mark.parametrize("line", ["a\n", "\r", "|\r\n"])
def test_a_million_lines_are_refused_before_they_are_parsed(tmp_path: Path, line: str) -> None:
    """A text of more lines than are edited here is refused by their number, in check, save and read."""
    path = tmp_path / "playlist.txt"
    playlist, text = _file(path), line * (MAX_LINES + 1)
    (problem,) = playlist.check(text).problems
    assert "more than 10000 lines" in str(problem.what)
    with pytest.raises(ControlError, match="more than 10000 lines"):
        playlist.save(text, version=playlist.read().version)
    path.write_text(text, newline="")
    with pytest.raises(ControlError, match="more than 10000 lines"):
        playlist.read()
    assert "kB" in str(playlist.check("a\n" * 1_000_000).problems[0].what)


def test_a_change_that_was_refused_is_not_written_later(tmp_path: Path) -> None:
    """Where the disk answers only after the command was refused, the file stays as it was."""
    path = tmp_path / "playlist.txt"
    path.write_text("one.mp4\n")
    playlist = _file(path)
    with pytest.raises(ControlError):
        playlist.save("two.mp4\n", version=playlist.read().version, wanted=lambda: False)
    assert path.read_text() == "one.mp4\n"
