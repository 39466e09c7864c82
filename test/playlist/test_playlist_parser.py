"""A whole playlist text and the file that holds it."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.feeding import item_of
from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.folders import AllowedFolders, media_files
from tg_video_streamer.playlist.load import allowed_folders, load, missing_files
from tg_video_streamer.playlist.parser import decode, is_manifest, parse
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Expansion, Media

ALLOWED = AllowedFolders.of(["/channel"])


def locators(text: str) -> list[str]:
    """Where the entries of a list in /channel are."""
    return [item.locator for item in parse(text, base="/channel", allowed=ALLOWED).items]


def test_comments_blank_lines_and_line_ends() -> None:
    """CR, LF and CRLF end lines; comments, blank lines and a byte order mark are no entries."""
    data = b"\xef\xbb\xbf# mine\r\na.mp4\r\n\r\n  b.mp4  \n#c.mp4\rd.mp4"
    assert locators(decode(data)) == ["/channel/a.mp4", "/channel/b.mp4", "/channel/d.mp4"]


def test_bad_lines_are_named_and_skipped() -> None:
    """A bad line is reported with its number, the problem and a remedy; the others play."""
    playlist = parse("a.mp4\nfile:///etc/passwd\n\nb.mp4 | end=soon\nc.mp4", base="/channel", allowed=ALLOWED)
    assert [entry.line for entry in playlist.entries] == [1, 5]
    assert [problem.line for problem in playlist.problems] == [2, 4]
    assert str(playlist.problems[1]).startswith("line 4: end=soon is not a time; write ")


def test_a_line_in_another_charset_is_read() -> None:
    """A line that is not UTF-8 is read in the charset of Western or Cyrillic Windows; the others stay as they are."""
    data = b"a.mp4\r\n" + "café.mp4\r\n".encode("cp1252") + "фильм один.mp4\r\n".encode("cp1251") + "ü.mp4".encode()
    playlist = parse(decode(data), base="/channel", allowed=ALLOWED)
    assert playlist.problems == ()
    names = ["a.mp4", "café.mp4", "фильм один.mp4", "ü.mp4"]
    assert [item.locator for item in playlist.items] == [f"/channel/{name}" for name in names]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"two%20words.ts", b"two words.ts"),
        (b"%D1%84%D0%B8%D0%BB%D1%8C%D0%BC.ts", "фильм.ts".encode()),
        (b"100%.ts", b"100%.ts"),
        (b"caf\xe9.ts", b"caf\xe9.ts"),
        (b"caf\xe9.ts", "café.ts".encode()),
        ("\ufeffcafe\u0301.ts".encode(), "café.ts".encode()),
        ("фильм.ts".encode("cp1251"), "фильм.ts".encode("cp1251")),
    ],
)
def test_check_reads_a_line_as_the_service_does(tmp_path: Path, line: bytes, name: bytes) -> None:
    """What players write into lists names its file, for `check` and for the service, also where a name is not UTF-8."""
    folder = tmp_path / "channel"
    folder.mkdir()
    file = folder / os.fsdecode(name)
    file.write_bytes(b"x")
    inner = folder / "inner.m3u"
    inner.write_bytes(b"#EXTM3U\r\n#EXTINF:10,A title\r\n" + line + b"\r\n")
    path = folder / "playlist.txt"
    path.write_text("inner.m3u\n")
    allowed = allowed_folders(path)
    assert missing_files(load(path, allowed), allowed) == ()
    expansion = resolve_file(item_of(inner), allowed)
    assert isinstance(expansion, Expansion)
    media = resolve_file(expansion.children[0], allowed)
    assert isinstance(media, Media)
    assert media.inputs[0].location == str(file)
    media.title.encode()
    file.unlink()
    (problem,) = missing_files(load(path, allowed), allowed)
    assert problem.line == 1
    assert "inner.m3u" in problem.message.text


@pytest.mark.parametrize("data", [bytes(range(256)) * 16, b"\x00" * 500, "фильм.mp4\n".encode("utf-16")])
def test_binary_is_no_playlist(data: bytes) -> None:
    """A file that is not UTF-8 text is refused as a whole."""
    with pytest.raises(PlaylistError):
        decode(data)


def test_extended_m3u_names_its_entries() -> None:
    """#EXTINF gives the next entry its title, quoted commas included; the line's own title wins."""
    text = '#EXTM3U\n#EXTINF:10 logo="a,b",First\na.mp4\nb.mp4\n#EXTINF:-1,Third\nc.mp4 | title=Mine\n'
    assert not is_manifest(text)
    assert [item.title for item in parse(text, base="/channel", allowed=ALLOWED).items] == ["First", "", "Mine"]


@pytest.mark.parametrize("tag", ["#EXT-X-TARGETDURATION:4", "#EXT-X-STREAM-INF:BANDWIDTH=1"])
def test_hls_manifest_is_distinguished_from_a_list(tag: str) -> None:
    """A manifest is recognized by the tags that RFC 8216 requires."""
    assert is_manifest(f"#EXTM3U\n#EXT-X-VERSION:3\n{tag}\nx.ts\n")


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    """Any bytes give entries and problems of distinct existing lines, or a PlaylistError."""
    try:
        text = decode(data)
    except PlaylistError:
        return
    playlist = parse(text, base="/channel", allowed=ALLOWED)
    lines = [entry.line for entry in playlist.entries] + [problem.line for problem in playlist.problems]
    assert len(lines) == len(set(lines))
    assert all(1 <= line <= data.count(b"\n") + data.count(b"\r") + 1 for line in lines)


def test_missing_list_is_a_state(tmp_path: Path) -> None:
    """A missing playlist is empty and a problem."""
    path = tmp_path / "playlist.txt"
    playlist = load(path, allowed_folders(path))
    assert playlist.entries == ()
    assert "cannot read" in str(playlist.problems[0])
    path.write_bytes(b"")
    assert load(path, allowed_folders(path)).problems == ()


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    """A folder that is a link out of the allowed ones is refused with its line, unless its target is allowed."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "x.mp4").touch()
    (inside / "link").symlink_to(outside)
    path = inside / "playlist.txt"
    path.write_text("link/x.mp4\n")
    refused = load(path, allowed_folders(path))
    assert refused.entries == ()
    assert refused.problems[0].line == 1
    assert len(load(path, allowed_folders(path, (outside,))).entries) == 1


def test_linked_playlist_belongs_where_it_really_is(tmp_path: Path) -> None:
    """Where the playlist is a link, paths count from the file's own folder."""
    shared, release = tmp_path / "shared", tmp_path / "release"
    shared.mkdir()
    release.mkdir()
    (shared / "playlist.txt").write_text("x.mp4\n")
    (release / "playlist.txt").symlink_to(shared / "playlist.txt")
    path = release / "playlist.txt"
    assert load(path, allowed_folders(path)).items[0].locator == str(shared / "x.mp4")


def test_check_names_missing_files(tmp_path: Path) -> None:
    """Each entry with a missing file is reported with its line, for `check` only."""
    path = tmp_path / "playlist.txt"
    path.write_text("here.mp4\nhttp://example.org/x\ngone.mp4\n")
    (tmp_path / "here.mp4").touch()
    assert [problem.line for problem in missing_files(load(path, allowed_folders(path)), allowed_folders(path))] == [3]


def test_folders_are_sorted_as_people_count(tmp_path: Path) -> None:
    """A folder's files come in natural order, subfolders after them, hidden and other files left out."""
    (tmp_path / "Season 2").mkdir()
    for name in ["e10.mp4", "E2.MKV", "e1.mp4", "notes.txt", ".hidden.mp4", "e3.mp4.part", "Season 2/a.mp4"]:
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in media_files(tmp_path)]
    assert names == ["e1.mp4", "E2.MKV", "e10.mp4", "Season 2/a.mp4"]


@pytest.mark.long
def test_long_lists_load_within_bounds(tmp_path: Path) -> None:
    """100,000 lines need less than 100 MB, and no more CPU time a line than 1,000 lines do (within a factor of four)."""
    path = tmp_path / "playlist.txt"

    def load_seconds(lines: int) -> float:
        path.write_text("".join(f"films/season {n % 50}/episode {n}.mp4 | title=Episode {n}\n" for n in range(lines)))
        started = time.process_time()
        assert len(load(path, allowed_folders(path)).entries) == lines
        return time.process_time() - started

    small = min(load_seconds(1_000) for _ in range(5))
    assert load_seconds(100_000) < 100 * small * 4
    tracemalloc.start()
    try:
        load(path, allowed_folders(path))
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
