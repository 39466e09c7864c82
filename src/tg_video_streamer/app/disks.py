"""Names the operator's folders to the threads that read them, and reports those that do not answer."""

from __future__ import annotations

from tg_video_streamer.control.status import ServiceWarning
from tg_video_streamer.disk import DISKS
from tg_video_streamer.locales.message import Message
from tg_video_streamer.settings.settings import Settings

_SHOWN_STEP_SECONDS = 10


def know_disks(settings: Settings) -> None:
    """Each folder of the settings may lie on a disk of its own."""
    files = (settings.playlist, settings.schedule, settings.logo, settings.slate_image, settings.ytdlp_cookies)
    folders = (*settings.media_dirs, settings.filler_dir, settings.library_dir, settings.state_dir)
    DISKS.know((*(file.parent for file in files if file is not None), *(one for one in folders if one is not None)))
    DISKS.know((settings.state_dir / "spool",))


def disk_warnings() -> list[ServiceWarning]:
    """A warning for each disk that does not answer; it names the mount."""
    return [
        ServiceWarning(
            message=Message.of(
                "warning.disk_hangs",
                path=one.folder,
                mount=str(one.mount),
                # Whole steps: the pages fetch a warning again when its text changes.
                seconds=int(one.seconds // _SHOWN_STEP_SECONDS * _SHOWN_STEP_SECONDS),
            )
        )
        for one in DISKS.hanging()
    ]
