"""Makes feeds, and what they share: resolvers, library and branding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import structlog

from tg_video_streamer.app.spool import make_spool
from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.automation.filler import FillerPlayer, FolderClips
from tg_video_streamer.clock import Clock
from tg_video_streamer.events import Event
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.ladder import EncodeLadder
from tg_video_streamer.feed.overlay.branding import Branding, OverlaySettings
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.prepared_trial import Preparation
from tg_video_streamer.ffmpeg.steps import EncodeStep, usable_steps
from tg_video_streamer.languages import TrackPreference, preference_of
from tg_video_streamer.library.library import Library
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.resolve.arguments import parse_ytdlp_args
from tg_video_streamer.resolve.by_kind import by_kind, without_spool
from tg_video_streamer.resolve.media import Resolve
from tg_video_streamer.resolve.proxies import parse_proxies
from tg_video_streamer.resolve.resolver import Resolver, WebOptions
from tg_video_streamer.settings.settings import Settings

_log = structlog.get_logger(__name__)

GIGABYTE = 1_000_000_000
FLOOR_BYTES = 2 * GIGABYTE
"""Disk space that the library leaves to the rest of the host."""


class Feeds:
    """One channel's resolvers and feeds; they share the library."""

    def __init__(
        self,
        settings: Settings,
        prepared: Prepared,
        *,
        allowed: Callable[[], AllowedFolders],
        clock: Clock,
        publish: Callable[[Event], None],
        watching: Callable[[Resolve], Resolve],
        others: Mapping[LocatorKind, Resolve],
    ) -> None:
        """`watching` wraps a resolver, to receive the result of each call. `others` resolve items of their kind."""
        self._settings = settings
        self._prepared = prepared
        self._clock = clock
        self._publish = publish
        self._watching = watching
        self.headers = prepared.slate.headers
        """Of every encode that can be spliced into the program."""
        self.preparation = preparation_of(settings, prepared)
        """How items are encoded ahead of need."""
        self.library = library_of(settings, prepared, clock, self.preparation)
        self.branding = Branding(_overlay_settings(settings), house=prepared.house, ffmpeg=prepared.ffmpeg)
        self.ladder = EncodeLadder(usable_steps(prepared.house), _step_changed)
        """By which what is encoded for the air steps down on a busy host."""
        _warn_burned_in(settings)
        self._resolver = self._resolver_for(allowed)
        self.resolve = watching(by_kind(self._resolver.resolve, others))
        """Where an item of the playlist is now."""
        self.spool = make_spool(settings, ask=self.resolve, ended=self._resolver.download_ended, clock=clock)
        sources = self.spool.source.resolve if self.spool is not None else without_spool(self.resolve)
        self._sources = self._resolver.web_subtitles.added_to(sources)

    @property
    def caches(self) -> bool:
        """Whether what is encoded now goes into the library."""
        return self.library is not None and not burned_in(self._settings)

    @property
    def problems(self) -> list[Message]:
        """Problems of library, overlay and processor; items play all the same."""
        problem = self.library.problem if self.library is not None else None
        found = [Message.of("library.problem", problem=problem)] if problem is not None else []
        if step := self.ladder.shown:
            found.append(Message.of(f"warning.encode_step.{step}"))
        return [*found, *self.branding.problems]

    def feed(self, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        """The feed of an item of the playlist."""
        return self._make(self._sources, item, start_seconds=start_seconds, changed=changed)

    async def preparing(self, item: Item) -> Feed:
        """A feed that encodes an item into the library; the first one tries the format that is used for it."""
        return self._make(self._sources, item, mode=FeedMode.PREPARING, house=await self.preparation.house())

    def filler(self, playout: Playout) -> FillerPlayer | None:
        """The player of FILLER_DIR's clips; None without the setting."""
        folder = self._settings.filler_dir
        if folder is None:
            return None
        folders = AllowedFolders.of([folder])
        resolve = self._watching(self._resolver_for(lambda: folders).resolve)
        return FillerPlayer(
            FolderClips(folder).choose,
            playout=playout,
            make_feed=partial(self._make, resolve, overlay=self.branding.choose_untitled),
        )

    def change(self, settings: Settings) -> bool:
        """Apply other settings; feeds that have started keep the old ones.

        Returns whether coming items look different now.
        """
        if burned_in(settings) != burned_in(self._settings):
            _warn_burned_in(settings)
        self._settings = settings
        if self.library is not None:
            self.library.preference = track_preference(settings)
        self._resolver.preference = track_preference(settings)
        self._resolver.change(web_options(settings))
        return self.branding.change(_overlay_settings(settings))

    def _make(
        self,
        resolve: Resolve,
        item: Item,
        *,
        start_seconds: float = 0.0,
        changed: Callable[[], None] = lambda: None,
        mode: FeedMode = FeedMode.ON_AIR,
        overlay: ChooseOverlay | None = None,
        house: HouseFormat | None = None,
    ) -> Feed:
        return Feed(
            item,
            resolve=resolve,
            house=house or self._prepared.house,
            headers=self.headers,
            ffmpeg=self._prepared.ffmpeg,
            buffer_seconds=self._settings.buffer_seconds,
            clock=self._clock,
            publish=self._publish,
            library=self.library if self.caches else None,
            overlay=overlay or self.branding.choose,
            start_seconds=start_seconds,
            changed=changed,
            mode=mode,
            preference=track_preference(self._settings),
            ask_source=self.resolve,
            ladder=self.ladder if mode is FeedMode.ON_AIR else None,
        )

    def _resolver_for(self, allowed: Callable[[], AllowedFolders]) -> Resolver:
        settings = self._settings
        return Resolver(
            allowed=allowed,
            scratch_folder=settings.state_dir / "scratch",
            maximum_height=min(self._prepared.house.width, self._prepared.house.height),
            frame_rate=self._prepared.house.frame_rate,
            web=web_options(settings),
            clock=self._clock,
            cache_folder=settings.state_dir / "cache" / "yt-dlp",
            preference=track_preference(settings),
        )


def _step_changed(old: EncodeStep, new: EncodeStep, why: str) -> None:
    steps = list(EncodeStep)
    tell = _log.warning if steps.index(new) > steps.index(old) else _log.info
    tell("encodes for the air change their step", old=str(old), new=str(new), why=why)


def track_preference(settings: Settings) -> TrackPreference:
    """The channel's languages of sound and subtitles."""
    return preference_of(settings.audio_language, settings.subtitles)


def web_options(settings: Settings) -> WebOptions:
    """How the settings want web items to be read."""
    return WebOptions(
        proxies=parse_proxies(settings.ytdlp_proxy.get_secret_value()),
        cookies=settings.ytdlp_cookies,
        arguments=parse_ytdlp_args(settings.ytdlp_args.get_secret_value()),
        plugins=settings.ytdlp_plugins,
        provider_url=settings.ytdlp_pot_url,
    )


def burned_in(settings: Settings) -> str:
    """The settings that burn into the picture what changes from play to play, so that nothing is cached; empty for none."""
    return ", ".join(key for key, on in (("CLOCK", settings.clock), ("NOW_PLAYING", settings.now_playing)) if on)


def _warn_burned_in(settings: Settings) -> None:
    if settings.library_max_gb and (keys := burned_in(settings)):
        _log.warning("nothing is cached: what is burned into the picture changes from play to play", settings=keys)


def _overlay_settings(settings: Settings) -> OverlaySettings:
    return OverlaySettings(logo=settings.logo, clock=settings.clock, now_playing=settings.now_playing)


def preparation_of(settings: Settings, prepared: Prepared) -> Preparation:
    """How the settings want items to be prepared; not yet tried."""
    return Preparation(
        prepared.house,
        prepared.slate.headers,
        ffmpeg=prepared.ffmpeg,
        preset=settings.prepare_preset,
        bitrate=settings.prepare_bitrate,
        cache_dir=settings.state_dir / "cache",
    )


def library_of(settings: Settings, prepared: Prepared, clock: Clock, preparation: Preparation) -> Library | None:
    """The library that the settings describe, not yet opened; None where it is off."""
    if not settings.library_max_gb:
        return None
    return Library(
        settings.library_dir,
        max_bytes=round(settings.library_max_gb * GIGABYTE),
        floor_bytes=FLOOR_BYTES,
        house=prepared.house,
        headers=prepared.slate.headers,
        clock=clock,
        keep_removed=settings.library_keep_removed,
        preference=track_preference(settings),
        prepared=lambda: preparation.key_house,
    )
