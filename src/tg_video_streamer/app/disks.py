"""Reports the disks that do not answer."""

from __future__ import annotations

from tg_video_streamer.control.status import ServiceWarning
from tg_video_streamer.disk import DISKS
from tg_video_streamer.locales.message import Message

_SHOWN_STEP_SECONDS = 10


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
