"""Everything that runs, as one value: made by the assembly, started and stopped by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.as_run import AsRunLog
from tg_video_streamer.chat_parts import ChatParts
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.config import Settings
from tg_video_streamer.control.claim import ClaimedFolder
from tg_video_streamer.control.recorder import Recorder
from tg_video_streamer.control.station import Station
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.heartbeat import Heartbeat
from tg_video_streamer.library.library import Library
from tg_video_streamer.live_parts import LiveParts
from tg_video_streamer.metrics_server import MetricsServer
from tg_video_streamer.notify.notifier import Notifier
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.program.director import Director
from tg_video_streamer.program.fanout import Fanout
from tg_video_streamer.program.filler import FillerKeeper
from tg_video_streamer.program.listing import Listing
from tg_video_streamer.program.place import PlaceKeeper
from tg_video_streamer.program.playout import Playout
from tg_video_streamer.program.preparer import Preparer
from tg_video_streamer.program.scheduler import Scheduler
from tg_video_streamer.supervision.ytdlp_update import UpdateWatch
from tg_video_streamer.telegram_parts import (
    TelegramParts,
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Made, but not started."""

    clock: SystemClock
    playout: Playout
    fanout: Fanout
    director: Director
    listing: Listing
    scheduler: Scheduler
    place: PlaceKeeper
    filler: FillerKeeper | None
    library: Library | None
    """None where nothing is to be kept, and so the next."""
    preparer: Preparer | None
    outputs: tuple[OutputHandler, ...]
    telegram: TelegramParts | None
    """None where OUTPUTS has no `telegram`."""
    live: LiveParts | None
    """None where no live stream may come in."""
    station: Station
    chat: ChatParts | None
    """None where nothing is wanted of the chat."""
    recorder: Recorder
    as_run: AsRunLog
    metrics: MetricsServer
    notifier: Notifier
    heartbeat: Heartbeat
    ytdlp: UpdateWatch
    settings: Settings
    """As they were at the start."""
    settings_now: Callable[[], Settings]
    house: HouseFormat
    folder: ClaimedFolder
