"""A whole playlist text and the file that holds it."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.folders import AllowedFolders, media_files
from tg_video_streamer.playlist.load import allowed_folders, load, missing_files
from tg_video_streamer.playlist.parser import decode, is_manifest, parse

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


def test_bad_bytes_cost_one_line() -> None:
    """Bytes that are not UTF-8 are a problem of their line only."""
    playlist = parse(decode(b"a.mp4\ncaf\xe9.mp4\nb.mp4\n"), base="/channel", allowed=ALLOWED)
    assert [entry.line for entry in playlist.entries] == [1, 3]
    assert "UTF-8" in playlist.problems[0].what.text


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
    assert [problem.line for problem in missing_files(load(path, allowed_folders(path)))] == [3]


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
