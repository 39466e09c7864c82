"""The composition root: starts the parts in the order in which they need each other, and stops them in reverse."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path

import structlog

from tg_video_streamer.as_run import AsRunLog
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.config import LoadedSettings, Settings, secret_values
from tg_video_streamer.control.claim import ClaimedFolder
from tg_video_streamer.control.server import serve as serve_control
from tg_video_streamer.control.station import Station
from tg_video_streamer.demo import demo_playlist
from tg_video_streamer.errors import ListenFailed
from tg_video_streamer.events import EventBus, Rung
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat, house_format
from tg_video_streamer.ffmpeg.validate import checked_arguments
from tg_video_streamer.logs import configure_logs, log_uncaught
from tg_video_streamer.metrics import Metrics
from tg_video_streamer.metrics_server import MetricsServer
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.target import parse_outputs
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
from tg_video_streamer.resolve.resolver import Resolver
from tg_video_streamer.supervision.upkeep import keep_running

log = structlog.get_logger(__name__)

Start = Callable[[str, Coroutine[None, None, None]], None]

FIRST_ITEM_SECONDS = 1.0
"""How long the programme waits for its first item before it begins with the slate."""


def run_service(loaded: LoadedSettings, *, demo: bool, table: bool) -> int:
    """Go on air until SIGINT or SIGTERM; the exit code. With `demo` the built-in clips play, whatever PLAYLIST says."""
    settings = loaded.settings
    configure_logs(settings.log_format, secrets=secret_values(settings))
    log_uncaught()
    for warning in loaded.warnings:
        log.warning(warning)
    return asyncio.run(_serve(loaded, demo=demo, table=table))


def check(loaded: LoadedSettings) -> list[str]:
    """Try what can be tried without going on air; one line a problem, none: all is well."""
    configure_logs(loaded.settings.log_format, secrets=secret_values(loaded.settings))
    return asyncio.run(_find_problems(loaded.settings))


async def _serve(loaded: LoadedSettings, *, demo: bool, table: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ClaimedFolder(loaded.settings.state_dir) as folder:
        async with asyncio.TaskGroup() as background:
            prepared = await _prepare(loaded.settings, background, demo=demo)
            parts = _build(loaded, prepared, folder)
            await _run(parts, stop, table=table)
            prepared.cancel()
    return 0


# What takes time, before anything can be built


@dataclass(frozen=True, kw_only=True)
class _Prepared:
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


async def _prepare(settings: Settings, background: asyncio.TaskGroup, *, demo: bool) -> _Prepared:
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
    return _Prepared(
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


# The parts


@dataclass(frozen=True, kw_only=True)
class _Parts:
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


def _build(loaded: LoadedSettings, prepared: _Prepared, folder: ClaimedFolder) -> _Parts:
    settings, house, clock = loaded.settings, prepared.house, SystemClock()
    loop = asyncio.get_running_loop()
    events = EventBus(loop)
    fanout = Fanout(prepared.slate.headers)
    rotation = Rotation(order=OrderKind(settings.order), loop=settings.loop, seed=secrets.randbits(32))
    quarantine = Quarantine(clock)
    store = PositionStore(settings.state_dir)
    if (position := store.load()) is not None:
        rotation.restore(position)
    resolver = _resolver(settings, clock)

    def make_feed(item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
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
    filler = FillerKeeper(settings.filler_dir, playout=playout, make_feed=make_feed) if settings.filler_dir else None
    watcher = PlaylistWatcher(prepared.playlist, media_folders=settings.media_dirs)
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
        make_feed=make_feed,
        expanded=listing.expand,
        clock=clock,
    )
    outputs = tuple(
        OutputHandler(target, fanout, events, clock) for target in parse_outputs(settings.outputs.get_secret_value())
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
    as_run = AsRunLog(settings.state_dir / "as-run.jsonl")
    for subscriber in (measured.on_event, station.on_event, as_run.on_event):
        events.subscribe(subscriber)
    return _Parts(
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


# Starting in order, stopping in reverse


async def _run(parts: _Parts, stop: asyncio.Event, *, table: bool) -> None:
    async with AsyncExitStack() as started, asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        def start(name: str, work: Coroutine[None, None, None]) -> None:
            running.append(tasks.create_task(work, name=name))

        parts.as_run.start()
        started.callback(parts.as_run.stop)
        start("listing", parts.listing.run())
        start("director", parts.director.run())
        if parts.filler is not None:
            start("filler", parts.filler.run())
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ITEM_SECONDS):
                await parts.director.first_item.wait()
        parts.playout.start()
        for handler in parts.outputs:
            handler.start()
        start("place", parts.place.run())
        start(
            "control",
            keep_running("control", partial(serve_control, parts.folder.listener, parts.station), parts.clock),
        )
        await parts.metrics.start()
        start("metrics", keep_running("metrics", parts.metrics.run, parts.clock))
        address = await _start_web(parts, start)
        if table:
            start("terminal", keep_running("terminal", _view(parts, address), parts.clock))
        await stop.wait()
        log.info("stopping")
        for task in running:
            task.cancel()
        await asyncio.to_thread(_leave_the_air, parts)
        # The last records travel through the loop; let them arrive before what writes them ends.
        await asyncio.sleep(0)


async def _start_web(parts: _Parts, start: Start) -> str:
    """Serve the page; its address. Imported in a thread, once the programme is on air: it takes a quarter of a second."""
    web = await asyncio.to_thread(import_module, "tg_video_streamer.web.app")
    server = await asyncio.to_thread(import_module, "tg_video_streamer.web.server")
    settings = parts.settings
    try:
        listener = server.listen(settings.web_host, settings.web_port)
    except ListenFailed as error:
        log.warning("no page", error=str(error))
        return "none"

    def serve() -> Coroutine[None, None, None]:
        page = web.build_web_app(
            status=parts.station.status,
            fanout=parts.fanout,
            width=parts.house.width,
            height=parts.house.height,
            hosts=(settings.web_host,),
            clock=parts.clock,
        )
        return server.serve(page, listener)

    start("web", keep_running("web", serve, parts.clock))
    log.info("preview and status", address=listener.url)
    return listener.url


def _view(parts: _Parts, address: str) -> Callable[[], Coroutine[None, None, None]]:
    from tg_video_streamer.terminal.view import TerminalView  # noqa: PLC0415 - rich, only where there is a terminal

    return lambda: TerminalView(parts.station.status, preview_address=address, clock=parts.clock).run()


def _leave_the_air(parts: _Parts) -> None:
    parts.playout.stop()
    for handler in parts.outputs:
        handler.stop()
    parts.fanout.close()
