"""Local items: what they are, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tg_video_streamer.errors import ResolveError, SourceGone
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media

Resolve = Callable[..., Media | Expansion]
MANIFEST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"


def test_file(tmp_path: Path, resolve: Resolve) -> None:
    """A file is its own location; its source id changes with its content."""
    path = tmp_path / "A film.mp4"
    path.write_bytes(b"x")
    found = resolve(path)
    assert isinstance(found, Media)
    assert [(one.location, one.is_file) for one in found.inputs] == [(str(path), True)]
    assert found.title == "A film"
    path.write_bytes(b"xy")
    again = resolve(path)
    assert isinstance(again, Media)
    assert again.source_id != found.source_id


def test_folder(tmp_path: Path, resolve: Resolve) -> None:
    """A folder is a list of its files, with the line's own bounds and volume."""
    (tmp_path / "films").mkdir()
    for name in ("e10.mp4", "e2.mp4"):
        (tmp_path / "films" / name).touch()
    item = Item(LocatorKind.FILE, str(tmp_path / "films"), start_seconds=90, volume=0.5)
    found = resolve(item)
    assert isinstance(found, Expansion)
    assert [Path(one.locator).name for one in found.children] == ["e2.mp4", "e10.mp4"]
    assert {(one.start_seconds, one.volume) for one in found.children} == {(90, 0.5)}


def test_list_and_manifest(tmp_path: Path, resolve: Resolve) -> None:
    """A .m3u8 of items is a list, counted from its own folder; one with HLS tags is a single item, live without an end."""
    path = tmp_path / "sub" / "list.m3u8"
    path.parent.mkdir()
    path.write_text("#EXTM3U\n#EXTINF:1,One\na.mp4\n../b.mp4\n../../escape.mp4\nfile:///etc/passwd\n")
    found = resolve(path)
    assert isinstance(found, Expansion)
    assert [(one.locator, one.title) for one in found.children] == [
        (str(tmp_path / "sub" / "a.mp4"), "One"),
        (str(tmp_path / "b.mp4"), ""),
    ]
    path.write_text(MANIFEST + "a.ts\nhttp://example.org/b.ts\n")
    live = resolve(path)
    assert isinstance(live, Media)
    assert live.is_live
    path.write_text(MANIFEST + "a.ts\n#EXT-X-ENDLIST\n")
    recorded = resolve(path)
    assert isinstance(recorded, Media)
    assert not recorded.is_live


@pytest.mark.parametrize(
    "line",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "../../x.ts",
        "%2e%2e/%2e%2e/x.ts",
        "concat:a|b",
        '#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/shadow"',
        '#EXT-X-MAP:URI="../../../init.mp4"',
        "nested.m3u8",
        "self.m3u8",
    ],
)
def test_manifests_name_nothing_else(tmp_path: Path, resolve: Resolve, line: str) -> None:
    """A local manifest that names another protocol or a file outside the allowed folders is refused, nested ones too."""
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "nested.m3u8").write_text(MANIFEST + "pipe:0\n")
    (folder / "self.m3u8").write_text(f"{MANIFEST}{line}\n")
    with pytest.raises(SourceGone):
        resolve(folder / "self.m3u8", allowed=lambda: AllowedFolders.of([folder]))


def test_refused(tmp_path: Path, resolve: Resolve) -> None:
    """Missing, empty, not a file, a link to the outside, a circular link: each is refused with a remedy, none hangs."""
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "out.mp4").symlink_to("/etc/passwd")
    (tmp_path / "circle.mp4").symlink_to(tmp_path / "circle.mp4")
    (tmp_path / "binary.m3u").write_bytes(bytes(range(256)))
    for name in ("missing.mp4", "empty.mp4", "pipe.mp4", "out.mp4", "circle.mp4", "binary.m3u"):
        with pytest.raises(ResolveError) as caught:
            resolve(tmp_path / name)
        assert caught.value.remedy, name
