"""The playlist file and its folders while they are edited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

import pytest

from stands.waiting import wait_until
from tg_video_streamer.playlist.parser import Playlist
from tg_video_streamer.playlist.watch import FolderWatcher, PlaylistWatcher

LONG_POLL = 60.0
"""Far longer than a test waits: changes were reported by the kernel."""
State = TypeVar("State")


async def following(states: AsyncIterator[State]) -> State:
    """The next state, within 20 s."""
    async with asyncio.timeout(90):
        return await anext(states)


def names(playlist: Playlist) -> list[str]:
    """The file names of the entries."""
    return [Path(item.locator).name for item in playlist.items]


def edit_in_place(path: Path) -> None:
    """Write into the same file."""
    path.write_text("b.mp4\n")


def move_over(path: Path) -> None:
    """Replace it by a rename, as most editors do."""
    beside = path.with_suffix(".new")
    beside.write_text("b.mp4\n")
    beside.replace(path)


def delete_and_create(path: Path) -> None:
    """Delete it and write another one."""
    path.unlink()
    path.write_text("b.mp4\n")


@pytest.mark.parametrize("edit", [edit_in_place, move_over, delete_and_create])
def test_edits_are_seen(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    """An edit of any kind gives the new entries, once, without waiting for a poll."""

    async def scene() -> None:
        path = tmp_path / "playlist.txt"
        path.write_text("a.mp4\n")
        watcher = PlaylistWatcher(path, poll_seconds=LONG_POLL)
        async with aclosing(watcher.states()) as states:
            assert names(await following(states)) == ["a.mp4"]
            waiting = asyncio.ensure_future(following(states))
            await asyncio.sleep(0)
            edit(path)
            assert names(await waiting) == ["b.mp4"]

    asyncio.run(scene())


@pytest.mark.parametrize("poll_seconds", [LONG_POLL, 0.2])
def test_missing_empty_and_binary_are_states(tmp_path: Path, poll_seconds: float) -> None:
    """A list that is missing, appears, is emptied, replaced by binary and deleted gives a state each time."""

    async def scene() -> None:
        path = tmp_path / "playlist.txt"
        watcher = PlaylistWatcher(path, poll_seconds=poll_seconds)
        async with aclosing(watcher.states()) as states:
            missing = await following(states)
            assert (missing.entries, len(missing.problems)) == ((), 1)
            path.write_text("a.mp4\n")
            assert names(await following(states)) == ["a.mp4"]
            path.write_bytes(b"")
            assert await following(states) == Playlist()
            path.write_bytes(bytes(range(256)) * 8)
            binary = await following(states)
            assert (binary.entries, len(binary.problems)) == ((), 1)
            path.unlink()
            assert "cannot read" in (await following(states)).problems[0].what.text

    asyncio.run(scene())


def test_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    """A playlist in a folder that is created later is found by polling."""

    async def scene() -> None:
        path = tmp_path / "later" / "playlist.txt"
        watcher = PlaylistWatcher(path, poll_seconds=0.1)
        async with aclosing(watcher.states()) as states:
            assert (await following(states)).entries == ()
            path.parent.mkdir()
            path.write_text("a.mp4\n")
            assert names(await following(states)) == ["a.mp4"]

    asyncio.run(scene())


def test_link_to_another_list(tmp_path: Path) -> None:
    """A changed link and a changed target are edits; the target's folder is the allowed one."""

    async def scene() -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "playlist.txt").write_text(f"{name}.mp4\n")
        (tmp_path / "here").mkdir()
        link = tmp_path / "here" / "playlist.txt"
        link.symlink_to(tmp_path / "one" / "playlist.txt")
        watcher = PlaylistWatcher(link, poll_seconds=LONG_POLL)
        async with aclosing(watcher.states()) as states:
            assert names(await following(states)) == ["one.mp4"]
            link.unlink()
            link.symlink_to(tmp_path / "two" / "playlist.txt")
            assert names(await following(states)) == ["two.mp4"]
            assert watcher.allowed.contains(str(tmp_path / "two" / "x.mp4"))
            (tmp_path / "two" / "playlist.txt").write_text("three.mp4\n")
            assert names(await following(states)) == ["three.mp4"]

    asyncio.run(scene())


def test_reload_on_demand(tmp_path: Path) -> None:
    """`reload` yields an unchanged list again at once."""

    async def scene() -> None:
        path = tmp_path / "playlist.txt"
        path.write_text("a.mp4\n")
        watcher = PlaylistWatcher(path, poll_seconds=LONG_POLL)
        async with aclosing(watcher.states()) as states:
            first = await following(states)
            waiting = asyncio.ensure_future(following(states))
            await asyncio.sleep(0)
            watcher.reload()
            assert await waiting == first

    asyncio.run(scene())


def test_folders_that_change(tmp_path: Path) -> None:
    """An added or removed media file reports its followed folder; other files do not."""

    async def scene() -> None:
        folder = tmp_path / "films"
        (folder / "sub").mkdir(parents=True)
        watcher = FolderWatcher(poll_seconds=LONG_POLL)
        watcher.follow({"key": folder})
        async with aclosing(watcher.changes()) as changes:
            waiting = asyncio.ensure_future(following(changes))
            await asyncio.to_thread(wait_until, lambda: "key" in watcher._contents, what="a first look")
            (folder / "notes.txt").touch()
            (folder / "sub" / "x.mp4").touch()
            assert await waiting == "key"
            (folder / "sub" / "x.mp4").unlink()
            assert await following(changes) == "key"
            (folder / "y.mp4").touch()
            assert await following(changes) == "key"

    asyncio.run(scene())
