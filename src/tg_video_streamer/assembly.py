"""Makes the parts: first what takes time (slate, encoder options), then every part with what it needs; starts none."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path

import structlog

from tg_video_streamer.as_run import AsRunLog
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.config import LoadedSettings, Settings
from tg_video_streamer.control.claim import ClaimedFolder
from tg_video_streamer.control.station import Station
from tg_video_streamer.demo import demo_playlist
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.events import EventBus, Rung
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat, house_format
from tg_video_streamer.ffmpeg.validate import checked_arguments
from tg_video_streamer.metrics import Metrics
from tg_video_streamer.metrics_server import MetricsServer
from tg_video_streamer.outputs.assemble import output_handler
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.target import parse_outputs
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.order import OrderKind
from tg_video_streamer.playlist.position import PositionStore
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.program.director import Director
from tg_video_streamer.program.fanout import Fanout
from tg_video_streamer.program.filler import FillerKeeper
from tg_video_streamer.program.listing import Listing
from tg_video_streamer.program.place import PlaceKeeper
from tg_video_streamer.program.playout import Change, Playout
from tg_video_streamer.program.slate import Slate, prepare_slate
from tg_video_streamer.program.source import Showing
from tg_video_streamer.resolve.arguments import parse_ytdlp_args
from tg_video_streamer.resolve.resolver import Resolver

log = structlog.get_logger(__name__)


def check_outputs(settings: Settings) -> list[str]:
    """What is wrong with OUTPUTS, one line each."""
    try:
        parse_outputs(settings.outputs.get_secret_value())
    except ConfigError as error:
        return error.problems
    return []


def check_ytdlp_args(settings: Settings) -> list[str]:
    """What is wrong with YTDLP_ARGS, one line each."""
    try:
        parse_ytdlp_args(settings.ytdlp_args.get_secret_value())
    except ConfigError as error:
        return error.problems
    return []


CHECKS = (check_outputs, check_ytdlp_args)
"""What `load_settings` has the rooms check, so that every wrong value is told at once."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What must be known before the parts can be made."""

    ffmpeg: Path
    house: HouseFormat
    slate: Slate
    playlist: Path
    warnings: tuple[str, ...]
    background: tuple[asyncio.Task[None], ...]

    def cancel(self) -> None:
        """End what is still being prepared: cards and demo clips."""
        for task in self.background:
            task.cancel()


async def prepare(settings: Settings, background: asyncio.TaskGroup, *, demo: bool) -> Prepared:
    """Find ffmpeg, try the encoder options, encode the slate; the rest of cards and demo clips goes on in `background`.

    Raises ToolMissing and EncoderFailed where there can be no programme at all.
    """
    ffmpeg = find_ffmpeg()
    house, warnings = await _house(settings, ffmpeg)
    tasks = []
    playlist = settings.playlist
    async with asyncio.TaskGroup() as now:
        slate_task = now.create_task(_slate(settings, house, ffmpeg))
        if demo:
            demo_task = now.create_task(demo_playlist(settings.state_dir / "demo", ffmpeg))
    slate = slate_task.result()
    tasks.append(background.create_task(slate.complete(), name="slate cards"))
    if demo:
        clips = demo_task.result()
        playlist = clips.playlist
        tasks.append(background.create_task(clips.complete(), name="demo clips"))
    return Prepared(
        ffmpeg=ffmpeg,
        house=house,
        slate=slate,
        playlist=playlist,
        warnings=tuple(warnings),
        background=tuple(tasks),
    )


async def _house(settings: Settings, ffmpeg: Path) -> tuple[HouseFormat, list[str]]:
    plain = house_format(settings.video_quality, loudness_lufs=settings.loudness_lufs)
    arguments, warnings = await checked_arguments(
        settings.ffmpeg_args, plain, ffmpeg, cache_dir=settings.state_dir / "cache"
    )
    for warning in warnings:
        log.warning(warning)
    return replace(plain, encoder_arguments=arguments), warnings


async def _slate(settings: Settings, house: HouseFormat, ffmpeg: Path) -> Slate:
    return await prepare_slate(
        house,
        ffmpeg=ffmpeg,
        text=settings.slate_text,
        image=settings.slate_image,
        cache_dir=settings.state_dir / "cache",
    )


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that runs, made but not started."""

    clock: SystemClock
    playout: Playout
    fanout: Fanout
    director: Director
    listing: Listing
    place: PlaceKeeper
    filler: FillerKeeper | None
    outputs: tuple[OutputHandler, ...]
    station: Station
    as_run: AsRunLog
    metrics: MetricsServer
    settings: Settings
    house: HouseFormat
    folder: ClaimedFolder


def _resolver(settings: Settings, house: HouseFormat, allowed: Callable[[], AllowedFolders]) -> Resolver:
    return Resolver(
        allowed=allowed,
        scratch_folder=settings.state_dir / "scratch",
        maximum_height=house.height,
        proxy=settings.ytdlp_proxy.get_secret_value(),
        cookies=settings.ytdlp_cookies,
        arguments=parse_ytdlp_args(settings.ytdlp_args.get_secret_value()),
        cache_folder=settings.state_dir / "cache" / "yt-dlp",
    )


def build(loaded: LoadedSettings, prepared: Prepared, folder: ClaimedFolder) -> Parts:
    """Every part with what it needs. Raises ConfigError where OUTPUTS cannot be read."""
    settings, house, clock = loaded.settings, prepared.house, SystemClock()
    loop = asyncio.get_running_loop()
    events = EventBus(loop)
    fanout = Fanout(prepared.slate.headers)
    rotation = Rotation(order=OrderKind(settings.order), loop=settings.loop, seed=secrets.randbits(32))
    quarantine = Quarantine(clock)
    store = PositionStore(settings.state_dir)
    if (position := store.load()) is not None:
        rotation.restore(position)
    watcher = PlaylistWatcher(prepared.playlist, media_folders=settings.media_dirs)
    resolver = _resolver(settings, house, lambda: watcher.allowed)

    def feed(resolver: Resolver, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        return Feed(
            item,
            resolve=resolver.resolve,
            house=house,
            headers=prepared.slate.headers,
            ffmpeg=prepared.ffmpeg,
            buffer_seconds=settings.buffer_seconds,
            clock=clock,
            publish=events.publish,
            start_seconds=start_seconds,
            changed=changed,
        )

    def heard(change: Change, showing: Showing, reason: str) -> None:
        if showing.rung is Rung.FILLER:
            if filler is not None:
                filler.heard(change, showing)
        else:
            director.heard(change, showing, reason)

    def listener(change: Change, showing: Showing, reason: str) -> None:
        loop.call_soon_threadsafe(heard, change, showing, reason)

    playout = Playout(slate=prepared.slate, fanout=fanout, clock=clock, events=events, listener=listener)
    filler = None
    if (clips := settings.filler_dir) is not None:
        folders = AllowedFolders.of([clips])
        filler = FillerKeeper(
            clips, playout=playout, make_feed=partial(feed, _resolver(settings, house, lambda: folders))
        )
    listing = Listing(
        watcher=watcher,
        rotation=rotation,
        quarantine=quarantine,
        resolve=resolver.resolve,
        clock=clock,
        changed=lambda: director.renew_next(),  # noqa: PLW0108 - the director is made below
    )
    director = Director(
        rotation=rotation,
        quarantine=quarantine,
        playout=playout,
        make_feed=partial(feed, resolver),
        expanded=listing.expand,
        clock=clock,
    )
    outputs = tuple(
        output_handler(
            target,
            fanout=fanout,
            publish=events.publish,
            clock=clock,
            house=house,
            ffmpeg=prepared.ffmpeg,
        )
        for target in parse_outputs(settings.outputs.get_secret_value())
    )
    warnings = [*loaded.warnings, *prepared.warnings]

    def parse(line: str) -> Item:
        return parse_line(line, base=str(prepared.playlist.parent), allowed=watcher.allowed)

    station = Station(
        version=installed_version("tg-video-streamer"),
        clock=clock,
        playout=playout,
        director=director,
        rotation=rotation,
        quarantine=quarantine,
        listing=listing,
        watcher=watcher,
        outputs=outputs,
        parse_line=parse,
        warnings=lambda: [*warnings, *filter(None, [metrics.warning])],
    )
    measured = Metrics(station.status)
    metrics = MetricsServer(
        measured.text,
        host=settings.prometheus_host,
        port=settings.prometheus_port,
        textfile=settings.state_dir / "metrics.prom",
    )
    measured.ytdlp_version(installed_version("yt-dlp"))
    as_run = AsRunLog(settings.state_dir / "as-run.jsonl")
    for subscriber in (measured.on_event, station.on_event, as_run.on_event):
        events.subscribe(subscriber)
    return Parts(
        clock=clock,
        playout=playout,
        fanout=fanout,
        director=director,
        listing=listing,
        place=PlaceKeeper(store, rotation, lambda: playout.item_seconds),
        filler=filler,
        outputs=outputs,
        station=station,
        as_run=as_run,
        metrics=metrics,
        settings=settings,
        house=house,
        folder=folder,
    )
