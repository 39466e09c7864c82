"""Edits of the playlist's file on the disk: bytes that stay, undo, and a long list."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tg_video_streamer.control.playlist_file import MAX_LINES, PlaylistFile
from tg_video_streamer.errors import ControlError
from tg_video_streamer.playlist import edit
from tg_video_streamer.playlist.folders import AllowedFolders


def file_of(folder: Path, data: bytes) -> PlaylistFile:
    """A playlist with these bytes."""
    (folder / "playlist.txt").write_bytes(data)
    return PlaylistFile(folder / "playlist.txt", allowed=lambda: AllowedFolders.of([folder]))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_other_byte_stays(tmp_path: Path, mark: bytes, end: bytes) -> None:
    """A byte order mark, line ends, spaces and a missing last line end survive an edit."""
    lines = [
        b"# \xd0\xa4\xd0\xb8\xd0\xbb\xd1\x8c\xd0\xbc\xd1\x8b",
        b"one.mp4  ",
        b"",
        b"  two.mp4",
        b"# end",
        b"three.mp4",
    ]
    playlist = file_of(tmp_path, mark + end.join(lines))
    playlist.edit(lambda text: edit.move(text, [2], before=edit.AT_END), version="")
    moved = [lines[0], lines[2], lines[3], lines[4], lines[5], lines[1]]
    assert (tmp_path / "playlist.txt").read_bytes() == mark + end.join(moved)


def test_undo_goes_back_step_by_step(tmp_path: Path) -> None:
    """Each step is undone to the byte, saves included, until another hand has changed the file."""
    playlist = file_of(tmp_path, b"one.mp4\ntwo.mp4\n")
    path = tmp_path / "playlist.txt"
    texts = [path.read_bytes()]
    for _ in range(3):
        playlist.edit(lambda text: edit.insert(text, "more.mp4", before=1), version=playlist.read().version)
        texts.append(path.read_bytes())
    playlist.save("saved.mp4\n", version=playlist.read().version)
    for text in reversed(texts):
        playlist.undo(version=playlist.read().version)
        assert path.read_bytes() == text
    with pytest.raises(ControlError, match="no change"):
        playlist.undo(version="")
    playlist.edit(lambda text: edit.remove(text, [1]), version="")
    path.write_bytes(b"theirs.mp4\n")
    assert not playlist.can_undo(playlist.read().version)
    with pytest.raises(ControlError, match="no change"):
        playlist.undo(version="")
    assert path.read_bytes() == b"theirs.mp4\n"


def test_a_step_for_another_text_is_refused(tmp_path: Path) -> None:
    """A step that was made for an older text changes nothing."""
    playlist = file_of(tmp_path, b"one.mp4\n")
    before = playlist.read().version
    (tmp_path / "playlist.txt").write_bytes(b"# new\none.mp4\n")
    with pytest.raises(ControlError, match="has changed"):
        playlist.edit(lambda text: edit.remove(text, [1]), version=before)
    assert (tmp_path / "playlist.txt").read_bytes() == b"# new\none.mp4\n"


def test_ten_thousand_lines_on_the_disk(tmp_path: Path) -> None:
    """A step in a file of 10,000 lines, read and written whole, and its undo cost less than 100 ms of processor time."""
    playlist = file_of(
        tmp_path, b"".join(b"films/film-%d.mp4 | title=Film number %d\n" % (n, n) for n in range(MAX_LINES))
    )
    steps = []
    for step in range(4):
        began = time.process_time()
        playlist.edit(lambda text: edit.move(text, [9000], before=1), version=playlist.read().version)
        steps.append(time.process_time() - began)
        if step % 2:
            playlist.undo(version="")
    assert min(steps) < 0.1
