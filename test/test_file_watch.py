"""A file that is watched: every change is reported once it has settled, whatever else lies in its folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tg_video_streamer.file_watch import FileWatch

LONG_POLL_SECONDS = 60.0
"""Far longer than a test waits: what is seen was reported by the kernel."""
SHORT_POLL_SECONDS = 0.1


async def changed(watch: FileWatch) -> None:
    """Wait for the report, within 20 s."""
    async with asyncio.timeout(90):
        assert await watch.changed()


def test_a_change_between_two_waits_is_reported(tmp_path: Path) -> None:
    """What was written after the last read counts, also while no one waited."""

    async def scene() -> None:
        path = tmp_path / "file"
        watch = FileWatch(path, poll_seconds=LONG_POLL_SECONDS)
        await watch.mark_read()
        path.write_text("new")
        await changed(watch)
        await watch.mark_read()
        assert not await watch.changed(0.01)

    asyncio.run(scene())


def test_a_name_that_is_not_utf8_ends_no_watch(tmp_path: Path) -> None:
    """A file whose name no text can hold comes into the folder; the next edit is reported all the same."""

    async def scene() -> None:
        path = tmp_path / "file"
        watch = FileWatch(path, poll_seconds=SHORT_POLL_SECONDS)
        waiting = asyncio.ensure_future(changed(watch))
        await asyncio.to_thread(_touch_beside, path, b"\xff\xfe")
        path.write_text("new")
        await waiting
        await watch.mark_read()
        waiting = asyncio.ensure_future(changed(watch))
        await asyncio.to_thread(_touch_beside, path, b"\xfe\xff")
        path.write_text("newer")
        await waiting

    asyncio.run(scene())


def test_a_folder_that_comes_later_is_polled(tmp_path: Path) -> None:
    """The kernel cannot watch a folder that does not exist; the file in it is found by looking."""

    async def scene() -> None:
        path = tmp_path / "later" / "file"
        watch = FileWatch(path, poll_seconds=SHORT_POLL_SECONDS)
        waiting = asyncio.ensure_future(changed(watch))
        await asyncio.to_thread(path.parent.mkdir)
        path.write_text("new")
        await waiting

    asyncio.run(scene())


def test_a_change_of_the_links_target_is_reported(tmp_path: Path) -> None:
    """The file that a link leads to lies in another folder, which is watched as well."""

    async def scene() -> None:
        target = tmp_path / "target" / "file"
        target.parent.mkdir()
        target.write_text("old")
        link = tmp_path / "link"
        link.symlink_to(target)
        watch = FileWatch(link, poll_seconds=LONG_POLL_SECONDS)
        await watch.mark_read()
        waiting = asyncio.ensure_future(changed(watch))
        target.write_text("newer")
        await waiting

    asyncio.run(scene())


def test_without_a_file_only_wake_ends_a_wait() -> None:
    """A service that has no settings file waits for none."""

    async def scene() -> None:
        watch = FileWatch(None)
        assert not await watch.changed(0.01)
        watch.wake()
        await changed(watch)

    asyncio.run(scene())


def _touch_beside(path: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(path.parent), name), "wb"):  # noqa: PTH118, PTH123 - a name that is no text
        pass
