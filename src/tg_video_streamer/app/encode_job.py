"""The process that encodes one job of a worker: reads it from stdin, and writes its progress and result to stdout."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tg_video_streamer.app.downloading import downloading, telegram_of
from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.setting_checks import CHECKS
from tg_video_streamer.app.startup import prepare
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import JobFailed, StreamerError
from tg_video_streamer.feed.prepare import PreparedItem, PrepareResult, prepare_item
from tg_video_streamer.fleet.jobs import EncodeJob
from tg_video_streamer.fleet.worker import Encoded
from tg_video_streamer.library.library import Grade, Library
from tg_video_streamer.logs import configure_logs
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.load import allowed_folders
from tg_video_streamer.settings.settings import LoadedSettings, Settings, load_settings, secret_values
from tg_video_streamer.spool.report import DownloadReport

_NO_LIMIT_GB = 1_000_000.0


def main(folder: Path, env_file: Path | None) -> int:
    """Encode into `folder`/library; the result is the last line of stdout."""
    loaded = load_settings(env_file, os.environ, checks=CHECKS)
    configure_logs(loaded.settings.log_format, secrets=secret_values(loaded.settings), level=logging.WARNING)
    try:
        job = EncodeJob.decode(sys.stdin.buffer.read())
        encoded = asyncio.run(_encode(job, loaded, folder))
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, StreamerError):
            raise
        _say(failed=str(error))
    except (StreamerError, ValueError) as error:
        _say(failed=str(error))
    else:
        _say(encoded=asdict(encoded))
    return 0


async def _encode(job: EncodeJob, loaded: LoadedSettings, folder: Path) -> Encoded:
    settings = _job_settings(loaded.settings, job, folder)
    async with asyncio.TaskGroup() as background:
        prepared = await prepare(settings, background, demo=False)
        # Its slates are for a program.
        prepared.cancel()
    headers = prepared.slate.headers
    if (headers.video.hex(), headers.audio.hex()) != (job.video_header, job.audio_header):
        raise JobFailed.of("job.other_headers")
    telegram = telegram_of(loaded, folder)
    allowed = allowed_folders(loaded.settings.playlist, loaded.settings.media_dirs)
    parts = Feeds(
        settings,
        prepared,
        allowed=lambda: allowed,
        clock=SystemClock(),
        publish=lambda _event: None,
        watching=lambda resolve: resolve,
        others={LocatorKind.TELEGRAM: telegram.source.resolve},
    )
    library = parts.library
    assert library is not None  # noqa: S101 - its limit is set below
    library.open()
    try:
        item = job.program_item()
        async with downloading(parts, telegram, folder) as downloads:
            downloads.plan([], [item])
            expansion = await downloads.fetch(item, progressed=_downloading)
            if expansion is not None:
                raise JobFailed.of("job.result.list")
            ended = await prepare_item(item, parts.preparing, progressed=_progressed)
        return _result(item, ended, library, (await parts.branding.choose()).logo_digest)
    finally:
        library.close()


def _result(item: Item, ended: PreparedItem, library: Library, logo: str) -> Encoded:
    remembered = library.remembered(item, logo=logo, least=Grade.PREPARED)
    if ended.result not in {PrepareResult.CACHED, PrepareResult.ALREADY_CACHED} or remembered is None:
        raise ended.error or JobFailed.of(f"job.result.{ended.result}")
    return Encoded(
        key=remembered.encode.key,
        source_id=remembered.source.source_id,
        title=remembered.encode.title,
        duration_seconds=remembered.source.duration_seconds,
    )


def _job_settings(own: Settings, job: EncodeJob, folder: Path) -> Settings:
    """This host's settings, with those of the channel that change picture or sound. Raises ValueError."""
    changed = {
        **job.settings,
        "state_dir": folder,
        "library_dir": folder / "library",
        "library_max_gb": _NO_LIMIT_GB,
        "clock": False,
        "now_playing": False,
    }
    context = {"base": Path.cwd(), "home": Path.home()}
    return Settings.model_validate({**own.model_dump(exclude_defaults=True), **changed}, context=context)


def _progressed(done: float, whole: float | None) -> None:
    _say(done=round(done, 1), whole=whole)


def _downloading(report: DownloadReport) -> None:
    _say(downloaded=report.have_bytes)


_last = ""


def _say(**words: object) -> None:
    """One line; what was said already is no progress."""
    global _last  # noqa: PLW0603 - of this process, which does one job
    line = json.dumps(words)
    if line != _last:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    _last = line


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None))
