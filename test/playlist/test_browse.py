"""Walking through the media folders, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.browse import browse
from tg_video_streamer.playlist.folders import AllowedFolders


def test_only_media_in_the_allowed_folders_are_shown(tmp_path: Path) -> None:
    """Folders and media files are listed, hidden and other files are not; links that lead out are refused."""
    media, outside = tmp_path / "media", tmp_path / "outside"
    (media / "films").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.mp4").touch()
    for name in ("b.mp4", "A.mkv", "notes.txt", ".hidden.mp4", "films/inner.mp4"):
        (media / name).touch()
    (media / "escape").symlink_to(outside)
    allowed = AllowedFolders.of([media])
    assert browse("", allowed).folders == (str(media),)
    found = browse(str(media), allowed)
    assert found.files == (str(media / "A.mkv"), str(media / "b.mp4"))
    assert str(media / "films") in found.folders
    assert found.parent == ""
    assert browse(f"{media}/films", allowed).parent == str(media)
    for folder in (str(outside), f"{media}/../outside", f"{media}/escape", "films", "/", f"{media}2", f"{media}/gone"):
        with pytest.raises(PlaylistError):
            browse(folder, allowed)
