"""Makes the uploads of the page, where UPLOAD_DIR is set."""

from __future__ import annotations

from pathlib import Path

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.spool import check_playable
from tg_video_streamer.automation.program import Program
from tg_video_streamer.playlist.uses import FileUses
from tg_video_streamer.resolve.media import Media, MediaInput
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.web.uploads.files import Space
from tg_video_streamer.web.uploads.uploads import Uploads

_GIGABYTE = 1_000_000_000
_FLOOR_BYTES = 1_000_000_000
"""So much stays free on the disk."""


def make_uploads(context: BuildContext, program: Program) -> Uploads | None:
    """None where they are off."""
    settings = context.settings
    if settings.upload_dir is None:
        return None
    return Uploads(
        settings.upload_dir,
        space=Space(quota_bytes=round(settings.upload_max_gb * _GIGABYTE), floor_bytes=_FLOOR_BYTES),
        check=_check,
        uses=lambda: _uses(settings, program),
    )


async def _check(path: Path) -> None:
    """Raises ProbeFailed for a file that cannot play."""
    await check_playable(Media(inputs=(MediaInput(location=str(path), is_file=True),)))


def _uses(settings: Settings, program: Program) -> FileUses:
    """All files that lists, queue, schedule and filler name. Raises PlaylistError where a list cannot be read."""
    uses, allowed = FileUses(), program.watcher.own_allowed()
    uses.add_list(settings.playlist, allowed)
    uses.add_items(program.rotation.queue_list(), allowed)
    schedule = program.scheduler.timetable.schedule
    for part in schedule.parts:
        uses.add_list(part.playlist, program.watcher.allowed)
    uses.add_items((show.item for show in schedule.shows), allowed)
    if schedule.station_id is not None:
        uses.add_items(schedule.station_id.items, allowed)
    if settings.filler_dir is not None:
        uses.paths.add(str(settings.filler_dir))
    return uses
