"""Runs `library prepare`."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tg_video_streamer.app.downloading import Downloading, downloading, telegram_of
from tg_video_streamer.app.feeds import Feeds, burned_in
from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.app.startup import prepare as prepare_parts
from tg_video_streamer.app.telegram_source import TelegramSourceService
from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.library_progress import Terminal
from tg_video_streamer.cli.library_walk import Walk
from tg_video_streamer.cli.library_work import Place, place
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.errors import LibraryError, StreamerError
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import LocatorKind
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.settings.settings import Settings

_NICE = 10


def prepare_playlist(env_file: Path | None, *, at_once: int) -> int:
    """Encode the playlist; the exit code. Raises StreamerError where nothing can be prepared at all."""
    with place(env_file) as here, _alone(here.settings.state_dir) as folder:
        if keys := burned_in(here.settings):
            raise LibraryError.of("library.burned_in", settings=keys)
        # A service on the same host has priority.
        os.nice(_NICE)
        try:
            return asyncio.run(_interruptible(here, folder, at_once=at_once))
        except BaseExceptionGroup as group:
            raise _first(group) from group
        except asyncio.CancelledError:
            _report(words.text("library.stopped"))
            return 128 + signal.SIGTERM
        except KeyboardInterrupt:
            _report(words.text("library.stopped"))
            raise


async def _interruptible(here: Place, folder: Path, *, at_once: int) -> int:
    """SIGTERM cancels it as Ctrl-C does, so that nothing incomplete is left."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await _prepare(here, folder, at_once=at_once)


async def _prepare(here: Place, folder: Path, *, at_once: int) -> int:
    async with asyncio.TaskGroup() as background:
        prepared = await prepare_parts(here.settings, background, demo=False)
        # Its slates are for a program.
        prepared.cancel()
    for warning in prepared.warnings:
        _report(words.text("cli.warning", problem=printable(words.message_text(warning))))
    telegram = telegram_of(here.loaded, folder)
    parts = _parts(here.settings, prepared, folder, telegram)
    library = parts.library
    assert library is not None  # noqa: S101 - everything that turns it off was checked before
    await asyncio.to_thread(library.open)
    try:
        # Each failure is reported once, at the end, and not in the log as well.
        logging.getLogger().setLevel(logging.CRITICAL)
        async with downloading(parts, telegram, folder) as downloads:
            code = await _walk(here, parts, library, downloads, at_once=at_once)
            if (as_live := parts.preparation.warning) is not None:
                _report(words.text("cli.warning", problem=printable(words.message_text(as_live))))
            return code
    finally:
        library.close()


async def _walk(here: Place, parts: Feeds, library: Library, downloads: Downloading, *, at_once: int) -> int:
    settings = here.settings
    listed = await asyncio.to_thread(load, settings.playlist, allowed_folders(settings.playlist, settings.media_dirs))
    overlays = await parts.branding.choose()
    for problem in parts.branding.problems:
        _report(words.text("cli.warning", problem=printable(words.message_text(problem))))
    with Terminal.of(here.answer, len(listed.items)) as terminal:
        walk = Walk(
            parts.resolve,
            parts.preparing,
            library,
            downloads=downloads,
            terminal=terminal,
            redact=here.redact,
            logo=overlays.logo_digest,
        )
        await walk.through(listed.items, at_once=at_once)
    path = str(settings.playlist)
    broken = (words.text("list.problem", path=path, problem=problem.message) for problem in listed.problems)
    failures = [*broken, *walk.failures]
    for failure in failures:
        _report(here.redact(failure))
    here.say(f"{walk.summary}; {here.totals(library)}")
    return 1 if failures else 0


def _report(line: str) -> None:
    typer.echo(f"tg-video-streamer: {printable(line)}", err=True)


def _parts(settings: Settings, prepared: Prepared, folder: Path, telegram: TelegramSourceService) -> Feeds:
    """Resolver and feeds with separate scratch files: a running service uses those in STATE_DIR."""
    allowed = allowed_folders(settings.playlist, settings.media_dirs)
    return Feeds(
        settings.model_copy(update={"state_dir": folder}),
        prepared,
        allowed=lambda: allowed,
        clock=SystemClock(),
        publish=lambda _event: None,
        watching=lambda resolve: resolve,
        others={LocatorKind.TELEGRAM: telegram.source.resolve},
    )


@contextmanager
def _alone(state_dir: Path) -> Iterator[Path]:
    """The folder for scratch files, locked until the process ends: two would encode the same items at the same time."""
    folder = state_dir / "prepare"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise LibraryError.of("library.scratch", folder=str(folder), detail=str(error.strerror)) from error
    try:
        _lock(descriptor)
        yield folder
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LibraryError.of("library.prepare_running") from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """An error that the operator can fix, taken out of its exception groups; else the group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, StreamerError) else group
