"""Everything that runs, as one value: made by the assembly, started and stopped by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.app.chat import ChatParts
from tg_video_streamer.app.live import LiveParts
from tg_video_streamer.app.telegram import (
    TelegramParts,
)
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.filler import FillerPlayer
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.automation.position_saver import PositionSaver
from tg_video_streamer.automation.preparer import Preparer
from tg_video_streamer.automation.scheduler import Scheduler
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.command_handler import CommandHandler
from tg_video_streamer.control.history_sampler import HistorySampler
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.library import Library
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.monitoring.heartbeat import Heartbeat
from tg_video_streamer.monitoring.metrics_server import MetricsServer
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.resolve.ytdlp_update import UpdateWatch
from tg_video_streamer.settings.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Made, but not started."""

    clock: SystemClock
    playout: Playout
    fanout: Fanout
    director: Director
    listing: PlaylistSync
    scheduler: Scheduler
    place: PositionSaver
    filler: FillerPlayer | None
    library: Library | None
    """None where nothing is to be kept, and so the next."""
    preparer: Preparer | None
    outputs: tuple[OutputHandler, ...]
    telegram: TelegramParts | None
    """None where OUTPUTS has no `telegram`."""
    live: LiveParts | None
    """None where no live stream may come in."""
    station: CommandHandler
    chat: ChatParts | None
    """None where nothing is wanted of the chat."""
    recorder: HistorySampler
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
