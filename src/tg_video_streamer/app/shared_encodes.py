"""Connects a channel with the store and the farm of its fleet; imported only where FLEET and FLEET_STORE are set."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from tg_video_streamer.app.feeds import GIGABYTE, Feeds
from tg_video_streamer.app.keep_running import Part
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.address import store_address
from tg_video_streamer.fleet.bucket import FleetBucket
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.fleet.farm import Farm
from tg_video_streamer.fleet.shared_library import PRUNE_SECONDS, SharedLibrary
from tg_video_streamer.fleet.store import EncodeStore
from tg_video_streamer.library.library import Library
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.settings.settings import Settings

JOB_SETTINGS = (
    "video_size",
    "video_quality",
    "frame_rate",
    "fit",
    "audio_bitrate",
    "transition",
    "ffmpeg_args",
    "audio_language",
    "subtitles",
    "prepare_preset",
    "prepare_bitrate",
    "loudness_lufs",
)
"""The settings that change picture or sound of an encode."""
_PRUNERS = "pruners"


class SharedEncodes:
    """What other hosts have encoded, or encode for this channel."""

    def __init__(self, settings: Settings, feeds: Feeds, library: Library, connection: FleetConnection) -> None:
        """`connection` runs already."""
        clock = SystemClock()
        self._settings = settings
        self._pruners = FleetBucket(connection, _PRUNERS, forgets_seconds=PRUNE_SECONDS)
        self._shared = SharedLibrary(
            store_of(settings),
            library,
            resolve=feeds.resolve,
            logo=lambda: feeds.branding.logo_digest,
            max_bytes=round(settings.fleet_store_max_gb * GIGABYTE),
            elected=self._elected,
            clock=clock,
        )
        self._farm = Farm(
            connection,
            self._shared,
            settings=self._job_settings,
            headers=(feeds.headers.video, feeds.headers.audio),
            logo=lambda: feeds.branding.logo_digest,
            clock=clock,
        )

    def part(self) -> Part:
        """What puts this host's encodes into the store."""
        return self._shared

    async def elsewhere(self, item: Item, place: int) -> bool:
        """Whether the item is taken from the store, or encoded by a worker."""
        if await self._shared.fetch(item):
            return True
        # What a worker encodes comes through the store.
        return self._shared.problem is None and await self._farm.take(item, place)

    def jobs(self) -> dict[str, int]:
        """This channel's jobs by state."""
        return self._farm.jobs()

    def warnings(self) -> list[Message]:
        """What the operator should know."""
        return [self._shared.problem] if self._shared.problem is not None else []

    def _job_settings(self) -> Mapping[str, Any]:
        return self._settings.model_dump(mode="json", include=set(JOB_SETTINGS))

    async def _elected(self) -> bool:
        """Whether this host prunes now: the first one that asks does, and nobody else for ten minutes."""
        with suppress(FleetUnreachable, KeyWrongLastSequenceError):
            await self._pruners.ask(KeyValue.create, "store", uuid4().hex.encode())
            return True
        return False


def store_of(settings: Settings) -> EncodeStore:
    """The store that the settings name. Raises ConfigError."""
    return EncodeStore(
        store_address(
            settings.fleet_store,
            credentials=settings.fleet_store_credentials.get_secret_value(),
            endpoint=settings.fleet_store_endpoint,
        )
    )
