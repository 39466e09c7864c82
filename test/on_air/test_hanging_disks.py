"""Disks that hang: no stat, open or read on them returns, on air and at the start; the picture and the page go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stands.channel import Channel, on_air
from stands.hanging_disk import HangingDisk, needs_compiler
from stands.service import COMMAND, warning_texts
from stands.waiting import wait_until

pytestmark = needs_compiler

_SCHEDULE = """
[[show]]
title = "never"
at = "2099-01-01 10:00"
play = "{media}/one.mp4"
"""


@dataclass(frozen=True, kw_only=True)
class _Folders:
    """One for each kind of path of the operator, as if each lay on a disk of its own."""

    root: Path

    def of(self, kind: str) -> Path:
        """Made where it is missing."""
        folder = self.root / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def kinds(self) -> list[Path]:
        """All but the media."""
        return [
            self.of(kind) for kind in ("playlist", "schedule", "filler", "logo", "slate", "cookies", "library", "spool")
        ]


@contextmanager
def _channel(tmp_path: Path, media: Path, disk: HangingDisk, *, wait: bool) -> Iterator[tuple[Channel, _Folders]]:
    folders = _Folders(root=disk.root)
    for name in ("one.mp4", "long.mp4"):
        shutil.copy(media / name, folders.of("media") / name)
    shutil.copy(media / "two.mp4", folders.of("filler") / "clip.mp4")
    (folders.of("schedule") / "schedule.toml").write_text(_SCHEDULE.format(media=folders.of("media")))
    (folders.of("cookies") / "cookies.txt").write_text("# Netscape HTTP Cookie File\n")
    (folders.of("playlist") / "playlist.txt").write_text(f"{folders.of('media')}/long.mp4\n{folders.of('media')}\n")
    settings = {
        "PLAYLIST": str(folders.of("playlist") / "playlist.txt"),
        "MEDIA_DIRS": str(folders.of("media")),
        "SCHEDULE": str(folders.of("schedule") / "schedule.toml"),
        "FILLER_DIR": str(folders.of("filler")),
        "LOGO": str(folders.of("logo") / "logo.png"),
        "SLATE_IMAGE": str(folders.of("slate") / "slate.png"),
        "YTDLP_COOKIES": str(folders.of("cookies") / "cookies.txt"),
        "LIBRARY_DIR": str(folders.of("library")),
        "LIBRARY_MAX_GB": "1",
    }
    command: tuple[Path | str, ...] = ("env", *(f"{key}={value}" for key, value in disk.environment.items()), COMMAND)
    with on_air(tmp_path / "channel", media, lines=None, command=command, wait=wait, **settings) as channel:
        yield channel, folders


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[HangingDisk]:
    """It hangs no more at the end: a service that cannot end would hide what failed."""
    found = HangingDisk(root=tmp_path / "disks", folder=tmp_path / "hanging")
    yield found
    found.release()


@pytest.mark.long
def test_disks_that_hang_on_air_cost_nothing(tmp_path: Path, media: Path, disk: HangingDisk) -> None:
    """All disks of the operator's hang under an item on air: no slate and no lost frame is seen, and status names them."""
    with _channel(tmp_path, media, disk, wait=True) as (channel, folders):
        service = channel.service
        channel.wait_now("long")
        service.wait_for(lambda status: status["buffer_seconds"] > 14, what="the buffer is full")
        disk.forget()
        since = channel.mark()
        disk.hang(*folders.kinds)
        named = folders.of("playlist"), folders.of("schedule")
        status = service.wait_for(
            lambda status: all(any(str(one) in text for text in warning_texts(status)) for one in named) and status,
            what="warnings",
        )
        assert status["channel_state"] == "on_air", status
        seconds = status["program_seconds"]
        service.wait_for(lambda status: status["program_seconds"] > seconds + 2, what="the program goes on")
        disk.hang(*folders.kinds, folders.of("media"))
        service.wait_for(
            lambda status: any(str(folders.of("media")) in text for text in warning_texts(status)), what="media"
        )
        disk.release()
        service.wait_for(
            lambda status: not any("does not answer" in text for text in warning_texts(status)), what="no warnings"
        )
        (folders.of("playlist") / "playlist.txt").write_text(f"{folders.of('media')}/one.mp4\n")
        service.wait_for(
            lambda status: any(one["title"] == "one" for one in status["next_items"][:1]), what="the edited playlist"
        )
        touched = disk.in_main_thread(service.process.pid)
        assert service.stop() == 0
        record = channel.aired(since)

    # A disk with the item itself may hang for longer than the buffer lasts: then the filler plays until it returns.
    assert record.items[0] == 5
    assert None not in record.items, record.items
    assert record.faults == []
    assert touched == []


def test_disks_that_hang_at_the_start(tmp_path: Path, media: Path, disk: HangingDisk) -> None:
    """The service starts with its slate while every disk of the operator's hangs, says so, and plays as they return."""
    folders = _Folders(root=disk.root)
    disk.hang(*folders.kinds, folders.of("media"))
    with _channel(tmp_path, media, disk, wait=False) as (channel, _):
        service = channel.service
        status = service.wait_for(
            lambda status: any(str(folders.of("playlist")) in text for text in warning_texts(status)) and status,
            what="a warning",
        )
        assert status["channel_state"] == "on_slate", status
        assert status["program_seconds"] > 0
        disk.release()
        channel.wait_now("long")
        assert service.stop() == 0


@pytest.mark.long
def test_the_service_ends_while_disks_hang(tmp_path: Path, media: Path, disk: HangingDisk) -> None:
    """A stop does not wait for a disk."""
    with _channel(tmp_path, media, disk, wait=True) as (channel, folders):
        disk.hang(*folders.kinds, folders.of("media"))
        wait_until(lambda: "a disk does not answer" in channel.service.log, what="a disk that hangs")
        assert channel.service.stop() == 0
