"""Makes the program: the playlist and its position, the playout, and what decides what it plays."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from functools import partial

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.spool import make_spooler
from tg_video_streamer.automation.backup import BackupPlayer
from tg_video_streamer.automation.dayparts import Dayparts
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.file_check import FileCheck
from tg_video_streamer.automation.filler import FillerPlayer
from tg_video_streamer.automation.holds import Holds
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.automation.playout_bridge import PlayoutBridge
from tg_video_streamer.automation.position_saver import PositionSaver
from tg_video_streamer.automation.preparer import Elsewhere, Preparer
from tg_video_streamer.automation.program import Program
from tg_video_streamer.automation.program_state import ProgramState
from tg_video_streamer.automation.rerun import Rerun
from tg_video_streamer.automation.scheduler import Scheduler
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.playlist.folders import FolderAllowlist
from tg_video_streamer.playlist.list_memory import ListMemory
from tg_video_streamer.playlist.order import OrderKind
from tg_video_streamer.playlist.position import PositionStore
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.schedule.load import ScheduleSource
from tg_video_streamer.settings.settings import Settings


def make_program(
    context: BuildContext, feeds: Feeds, allowed: FolderAllowlist, elsewhere: Elsewhere | None = None
) -> Program:
    """The program, not started; to be called in the event loop's thread. `feeds` read files in `allowed` folders only.

    `elsewhere` has other hosts encode coming items.
    """
    settings, prepared, clock = context.settings, context.prepared, context.clock
    store = PositionStore(settings.state_dir)
    rotation = Rotation(order=OrderKind(settings.order), loop=settings.loop, seed=secrets.randbits(32))
    if (position := store.load()) is not None:
        rotation.restore(position)
    quarantine = Quarantine(clock)
    watcher = PlaylistWatcher(prepared.playlist, media_folders=settings.media_dirs, allowlist=allowed)
    bridge = PlayoutBridge(asyncio.get_running_loop())
    playout = Playout(
        slate=prepared.slate, fanout=context.fanout, clock=clock, events=context.events, listener=bridge.publish
    )
    playlist = PlaylistSync(
        watcher=watcher,
        rotation=rotation,
        quarantine=quarantine,
        resolve=feeds.resolve,
        clock=clock,
        memory=ListMemory.loaded(settings.state_dir),
    )
    backup = BackupPlayer(playout=playout, make_feed=feeds.feed)
    director = Director(
        rotation=rotation,
        quarantine=quarantine,
        playout=playout,
        make_feed=feeds.feed,
        lists=playlist,
        clock=clock,
        backup=backup,
    )
    scheduler = Scheduler(
        _schedule_source(context),
        record_file=settings.state_dir / "schedule.json",
        left_seconds=store.age_seconds(clock.wall()),
        lists=Dayparts(
            playlist=prepared.playlist,
            media_folders=lambda: watcher.media_folders,
            positions=settings.state_dir / "places",
            rotation=rotation,
            playlist_sync=playlist,
        ),
        rotation=rotation,
        director=director,
        playout=playout,
        allowlist=allowed,
        clock=clock,
    )
    rerun = Rerun(
        rotation=rotation,
        quarantine=quarantine,
        director=director,
        library=feeds.library if feeds.caches else None,
        logo=lambda: feeds.branding.logo_digest,
    )
    bridge.subscribe(SourceLevel.ITEM, rerun.on_playout_event)
    filler = feeds.filler(playout) or FillerPlayer(
        rerun.choose, playout=playout, make_feed=feeds.feed, needed=rerun.needed
    )
    file_check = FileCheck(
        rotation=rotation,
        quarantine=quarantine,
        library=feeds.library if feeds.caches else None,
        logo=lambda: feeds.branding.logo_digest,
        changed=director.update_coming,
        publish=context.events.publish,
        clock=clock,
    )
    holds = Holds(playout.hold, playout.release)
    state = ProgramState(settings.state_dir, holds, quarantine, clock)
    state.restore()
    program = Program(
        playout=playout,
        bridge=bridge,
        watcher=watcher,
        playlist=playlist,
        rotation=rotation,
        quarantine=quarantine,
        director=director,
        scheduler=scheduler,
        holds=holds,
        state=state,
        position_saver=PositionSaver(store, rotation, lambda: playout.item_seconds),
        allowed=allowed,
        backup=backup,
        file_check=file_check,
        filler=filler,
        preparer=_preparer(context, feeds, scheduler, director, elsewhere),
        spooler=make_spooler(
            feeds.spool,
            scheduler=scheduler,
            director=director,
            playout=playout,
            library=feeds.library if feeds.caches else None,
            clock=clock,
        ),
    )
    _subscribe(context, program, feeds)
    return program


def _subscribe(context: BuildContext, program: Program, feeds: Feeds) -> None:
    """Connect the parts that follow one another's events."""
    program.playlist.on_change(program.director.update_coming)
    program.playlist.on_change(program.file_check.edited)
    program.playlist.on_expansion(program.scheduler.on_expansion)
    program.bridge.subscribe(SourceLevel.ITEM, program.scheduler.on_playout_event)
    program.bridge.subscribe(SourceLevel.ITEM, program.director.on_playout_event)
    program.bridge.subscribe(SourceLevel.BACKUP, program.backup.on_playout_event)
    if program.filler is not None:
        program.bridge.subscribe(SourceLevel.FILLER, program.filler.on_playout_event)

    def change(settings: Settings) -> None:
        program.watcher.allow(settings.media_dirs)
        if feeds.change(settings):
            program.director.update_coming(replace_all=True)

    context.reload.subscribe(change)


def _schedule_source(context: BuildContext) -> ScheduleSource | None:
    """None for the demo, whose clips take the playlist's place: nothing is scheduled in it."""
    settings = context.settings
    if context.prepared.playlist != settings.playlist:
        return None
    return ScheduleSource(path=settings.schedule, media_folders=settings.media_dirs)


def _preparer(
    context: BuildContext, feeds: Feeds, scheduler: Scheduler, director: Director, elsewhere: Elsewhere | None
) -> Callable[[], Preparer] | None:
    if feeds.library is None:
        return None
    return partial(
        Preparer,
        feeds.library,
        upcoming=scheduler.upcoming,
        calm=lambda: feeds.caches and director.is_ahead(context.reload.settings.buffer_seconds / 2),
        make_feed=feeds.preparing,
        logo=lambda: feeds.branding.logo_digest,
        clock=context.clock,
        ready=feeds.spool.ready if feeds.spool is not None else lambda _: True,
        elsewhere=elsewhere if feeds.caches else None,
    )
