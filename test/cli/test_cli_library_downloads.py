"""`library prepare` with items of the web and of Telegram: each is downloaded, encoded and removed, as the service does it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from stands.numbered import Plan, make_clip
from stands.service import COMMAND
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import OTHER_DC, StoredFile
from stands.throttling_site import ThrottlingSite

_FRAMES = {"one": 50, "two": 75}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one.mp4` and `two.mp4`, of two and three seconds."""
    folder = tmp_path_factory.mktemp("clips")
    for number, (name, frames) in enumerate(_FRAMES.items(), start=1):
        make_clip(folder / f"{name}.mp4", Plan(item_id=number, frames=frames, width=426, height=240))
    return folder


def _prepare(folder: Path, lines: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    """The command in `folder`, where its settings are written first."""
    (folder / "playlist.txt").write_text("".join(f"{line}\n" for line in lines))
    settings = {
        "STATE_DIR": "state",
        "PLAYLIST": "playlist.txt",
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "FFMPEG_ARGS": "-preset ultrafast",
        "SPOOL_MAX_GB": "1",
    }
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in (settings | more).items()))
    (folder / ".env").chmod(0o600)
    return subprocess.run(
        [COMMAND, "library", "prepare", "--env-file", ".env"],
        cwd=folder,
        env=os.environ | {"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _encoded_frames(folder: Path) -> list[int]:
    """How many pictures each cached encode has, the fewest first."""
    counts = []
    for path in (folder / "state" / "library").glob("*.flv"):
        with av.open(str(path)) as container:
            counts.append(sum(1 for _ in container.decode(video=0)))
    return sorted(counts)


def test_web_and_telegram_items_are_downloaded_and_encoded(clips: Path, tmp_path: Path) -> None:
    """Items of a throttling site and of Telegram are encoded whole from their downloads, which are gone at the end."""
    with TelegramStand() as telegram, ThrottlingSite(clips) as site:
        data = (clips / "two.mp4").read_bytes()
        message = telegram.post(StoredFile(data=data, name="two.mp4", dc=OTHER_DC, seconds=3.0), "From Telegram")
        lines = [site.page_url("one.mp4"), f"https://t.me/testchan/{message.id}"]
        result = _prepare(tmp_path, lines, **telegram.settings(telegram.session_string()))
    assert (result.returncode, result.stderr) == (0, "")
    *told, last = result.stdout.splitlines()
    assert [line.split(" (")[0] for line in told if line.startswith("prepared: ")] == [
        "prepared: one",
        "prepared: From Telegram",
    ]
    assert sum(": downloading" in line for line in told) == 2
    assert last.startswith("2 prepared, 0 already cached, 0 not prepared; ")
    assert _encoded_frames(tmp_path) == sorted(_FRAMES.values())
    assert [one for one in site.requests if "Lavf" in one.agent] == []
    assert not (tmp_path / "state" / "prepare" / "spool").exists()


def test_what_cannot_be_downloaded_is_named(clips: Path, tmp_path: Path) -> None:
    """A message without a session and a page that is gone are each one line with what helps; the rest is prepared."""
    with TelegramStand() as telegram, ThrottlingSite(clips) as site:
        lines = ["https://t.me/testchan/1", site.page_url("gone.mp4"), site.page_url("one.mp4")]
        result = _prepare(tmp_path, lines, **telegram.settings())
    assert result.returncode == 1
    session, page = result.stderr.splitlines()
    assert "https://t.me/testchan/1: " in session
    assert "tg-video-streamer session login --write-env" in session
    assert "/watch/gone.mp4: " in page
    assert _encoded_frames(tmp_path) == [_FRAMES["one"]]
