"""Recordings and HLS folders: what is written plays, rotates, stays within its quota, and survives a full disk."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from itertools import pairwise
from pathlib import Path

import pytest

from stands.browser import browser_missing, chromium, video_state
from stands.house import FRAME_TICKS, RATE
from stands.http_server import http_server
from stands.program import Clip, Program
from stands.received import arrived, decoded_pictures, difference, pictures
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import OutputLost
from tg_video_streamer.media import Kind
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.hls import HlsAdapter
from tg_video_streamer.outputs.recording import FileAdapter
from tg_video_streamer.outputs.state import OutputState

Start = Callable[..., OutputHandler]


def published(clip: Clip, frames: int) -> Program:
    """A program that has published so much, not running."""
    program = Program(clip)
    program.publish(frames)
    return program


@pytest.mark.parametrize("ending", ["mkv", "flv", "mp4", "ts"])
def test_recording_plays(tmp_path: Path, clip: Clip, ending: str) -> None:
    """Each kind of file holds every picture, named by the time, and is playable before it is closed."""
    program = published(clip, 150)
    adapter = FileAdapter(tmp_path / f"a[1].{ending}", clip.headers, quota_bytes=10**9, clock=SystemClock())
    adapter.open()
    adapter.send(program.published)
    assert adapter.delivering()
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(rf"a\[1\]-\d{{8}}T\d{{6}}Z\.{ending}", path.name)
    if ending in {"mkv", "mp4"}:
        assert pictures(arrived(path)) >= 50
    adapter.close()
    assert decoded_pictures(path) == 150
    if ending in {"mkv", "flv"}:
        assert difference(arrived(path), program.published) is None


def test_recordings_rotate_and_keep_their_quota(tmp_path: Path, clip: Clip) -> None:
    """A new file begins at the keyframe after each period, none loses a picture; the oldest go when it is too much."""
    program = published(clip, 400)
    size = sum(len(one.data) for one in program.published)
    (tmp_path / "a-19700101T000000Z.txt").write_text("another's")
    adapter = FileAdapter(
        tmp_path / "a.mkv",
        clip.headers,
        quota_bytes=size // 2,
        clock=SystemClock(),
        rotate_ticks=80 * FRAME_TICKS,
    )
    adapter.open()
    for start in range(0, len(program.published), 7):
        adapter.send(program.published[start : start + 7])
    adapter.close()
    files = sorted(tmp_path.glob("*.mkv"))
    assert 1 < len(files) < 4
    assert sum(path.stat().st_size for path in files) < size * 0.75
    assert [pictures(arrived(path)) for path in files] == [100] * len(files)
    assert [difference(arrived(path), program.published) for path in files] == [None] * len(files)
    assert (tmp_path / "a-19700101T000000Z.txt").exists()
    assert adapter.bytes_sent == size


def test_folder_that_cannot_be_made(tmp_path: Path, program: Program, start: Start) -> None:
    """Where the folder cannot be used the output says so and tries again; once it can, it records."""
    folder = tmp_path / "rec"
    folder.write_text("a file where the folder should be")
    handler = start(program, f"file:{folder}/a.mkv")
    wait_until(lambda: handler.status().error, what="an error")
    folder.unlink()
    wait_until(lambda: handler.status().state is OutputState.ON_AIR, what="on air")
    handler.stop()
    assert list(folder.iterdir())


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("target", ["file:{}/a.mkv", "file:{}/a.mp4", "hls:{}"])
def test_full_disk(tmp_path: Path, clip: Clip, start: Start, target: str) -> None:
    """A full disk is a loss with a remedy; with free space the output continues by itself."""
    with small_disk(tmp_path / "disk") as disk, Program(clip, speed=4) as program:
        handler = start(program, target.format(disk))
        error = wait_until(lambda: handler.status().error, what="an error")
        assert "free space" in str(error)
        remount = ["mount", "-o", "remount,size=100m", str(disk)]
        subprocess.run(remount, check=True)
        wait_until(lambda: handler.status().state is OutputState.ON_AIR, what="on air")
        handler.stop()


def test_hls_list_that_cannot_be_written(tmp_path: Path, clip: Clip) -> None:
    """Where the list cannot be put into its place, the output is lost, with what to do."""
    (tmp_path / "index.m3u8").mkdir()
    adapter = HlsAdapter(tmp_path, clip.headers, RATE, clock=SystemClock())
    adapter.open()
    with pytest.raises(OutputLost, match="free space"):
        adapter.send(published(clip, 200).published)
    assert not (tmp_path / "index.m3u8").is_file()
    adapter.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over HTTP, as any web server would hand it out; the address of it."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with http_server(handler, name="hls") as port:
        yield f"http://127.0.0.1:{port}"


def test_hls_rolls(tmp_path: Path, clip: Clip) -> None:
    """The list names six segments that are there, older ones are deleted, numbers continue after a restart, all decodes."""
    numbers: list[int] = []
    (tmp_path / "foreign.ts").write_text("another's")
    for _ in range(2):
        program = published(clip, 1000)
        adapter = HlsAdapter(tmp_path, clip.headers, RATE, clock=SystemClock())
        adapter.open()
        for start in range(0, len(program.published), 50):
            adapter.send(program.published[start : start + 50])
        adapter.close()
        text = (tmp_path / "index.m3u8").read_text()
        listed = [line for line in text.splitlines() if line.startswith("segment-")]
        assert len(listed) == 6
        assert len(list(tmp_path.glob("segment-*"))) <= 6 + 4
        assert "#EXT-X-ENDLIST" not in text
        assert [decoded_pictures(tmp_path / name) for name in listed] == [50] * 6
        joined = tmp_path / "joined"
        joined.write_bytes(b"".join((tmp_path / name).read_bytes() for name in listed))
        record = arrived(joined)
        for kind, step in ((Kind.VIDEO, {40}), (Kind.AUDIO, {21, 22})):
            times = [time for one, time, _ in record if one is kind]
            assert {later - earlier for earlier, later in pairwise(times)} == step
        numbers.append(int(re.findall(r"MEDIA-SEQUENCE:(\d+)", text)[0]))
    assert numbers[1] > numbers[0]
    assert (tmp_path / "foreign.ts").exists()


@pytest.mark.skipif(bool(browser_missing()), reason=f"not installed: {browser_missing()}")
def test_hls_plays_in_a_browser_and_in_ffmpeg(tmp_path: Path, clip: Clip, start: Start) -> None:
    """Chromium shows a moving picture with sound from the folder, and ffmpeg reads it over HTTP without an error."""
    folder = tmp_path / "live"
    with Program(clip) as program, served(folder) as address:
        handler = start(program, f"hls:{folder}")
        listed = folder / "index.m3u8"
        # Chromium never begins with a live list of fewer than three segments.
        wait_until(lambda: listed.exists() and listed.read_text().count("#EXTINF") >= 3, what="segments")
        (folder / "page.html").write_text("<video src=index.m3u8 autoplay muted></video>")
        url = f"{address}/index.m3u8"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-i", url, "-t", "1", "-f", "null", "-"]
        assert subprocess.run(command, capture_output=True, check=True, timeout=120).stderr == b""
        with chromium(tmp_path / "profile") as browser:
            browser.get(f"{address}/page.html")
            state = wait_until(
                lambda: (now := video_state(browser)).time > 1 and now.frames > 10 and now, what="a picture"
            )
        assert state
        assert (state.width, state.height, state.error) == (854, 480, "")
        handler.stop()
    assert [one.kind for one in program.published[:1]] == [Kind.VIDEO]
