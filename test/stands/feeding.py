"""Drives one feed as a playout would, only faster, and writes what came out into a file that can be decoded."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from stands.house import FRAME_TICKS, house_of
from stands.recording import Recording, read_recording
from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.events import Event
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.ladder import EncodeLadder
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay, no_overlay
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import TICKS_PER_SECOND, CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput, Resolve
from tg_video_streamer.rtmp import flv

SMALL = house_of("320x180", "-preset", "ultrafast")


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """Everything that a feed gave, in stream order."""

    feed: Feed
    packets: tuple[Packet, ...]
    events: tuple[Event, ...]

    @property
    def pictures(self) -> list[Packet]:
        """Its video packets."""
        return [packet for packet in self.packets if packet.kind is Kind.VIDEO]

    @property
    def sound(self) -> list[Packet]:
        """Its audio packets."""
        return [packet for packet in self.packets if packet.kind is Kind.AUDIO]

    def decoded(self, folder: Path, headers: CodecHeaders) -> Recording:
        """Mux the packets by their ticks and decode the file."""
        path = folder / "played.mkv"
        write_packets(path, self.packets, headers)
        return read_recording(path)


def item_of(location: str | Path, **changes: object) -> Item:
    """An item for a path or URL."""
    text = str(location)
    kind = LocatorKind.URL if text.startswith("http") else LocatorKind.FILE
    return Item(kind, text, **changes)  # type: ignore[arg-type]  # the tests name the fields


async def resolve_simply(item: Item) -> Media | Expansion:
    """The item's own locator is the one input."""
    is_file = item.kind is LocatorKind.FILE
    return Media(inputs=(MediaInput(location=item.locator, is_file=is_file),), title="numbered")


def feed_of(
    item: Item,
    ffmpeg: Path,
    *,
    headers: CodecHeaders | None = None,
    resolve: Resolve = resolve_simply,
    house: HouseFormat = SMALL,
    events: list[Event] | None = None,
    start_seconds: float = 0.0,
    buffer_seconds: float = 15.0,
    stall_seconds: float = 10.0,
    changed: Callable[[], None] = lambda: None,
    library: Library | None = None,
    clock: Clock | None = None,
    mode: FeedMode = FeedMode.ON_AIR,
    overlay: ChooseOverlay = no_overlay,
    preference: TrackPreference = NO_PREFERENCE,
    ladder: EncodeLadder | None = None,
) -> Feed:
    """A feed with the usual surroundings."""
    heard: list[Event] = [] if events is None else events
    return Feed(
        item,
        resolve=resolve,
        house=house,
        headers=headers,
        ffmpeg=ffmpeg,
        buffer_seconds=buffer_seconds,
        clock=clock or SystemClock(),
        library=library,
        mode=mode,
        overlay=overlay,
        preference=preference,
        publish=heard.append,
        start_seconds=start_seconds,
        stall_seconds=stall_seconds,
        changed=changed,
        ladder=ladder,
    )


async def play(feed: Feed, events: Sequence[Event] = (), *, after: Callable[[int], None] = lambda _: None) -> Played:
    """Take everything that the feed gives; `after` is called with the number of frames taken, after each frame."""
    packets: list[Packet] = []
    frames = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(feed.run())
        feed.on_air()
        while not feed.buffer.drained:
            if feed.buffer.head() is None:
                await asyncio.sleep(0.005)
                continue
            packet = feed.buffer.pop()
            packets.append(packet)
            if packet.kind is Kind.VIDEO:
                frames += 1
                after(frames)
                await asyncio.sleep(0)
    return Played(feed=feed, packets=tuple(packets), events=tuple(events))


def write_packets(path: Path, packets: Sequence[Packet], headers: CodecHeaders) -> None:
    """A Matroska file of packets at their own ticks; those before 0 (encoder priming) are left out."""
    with av.open(str(path), "w", format="matroska") as container:
        with _described(headers, next(one.data for one in packets if one.keyframe and one.kind is Kind.VIDEO)) as like:
            video = container.add_stream_from_template(like.streams.video[0])
            audio = container.add_stream_from_template(like.streams.audio[0])
        for packet in sorted(packets, key=lambda one: one.ticks):
            if packet.ticks < 0:
                continue
            out = av.Packet(packet.data)
            out.stream = video if packet.kind is Kind.VIDEO else audio
            out.time_base = Fraction(1, TICKS_PER_SECOND)
            out.pts = out.dts = packet.ticks
            out.is_keyframe = packet.keyframe
            out.duration = FRAME_TICKS if packet.kind is Kind.VIDEO else 64
            container.mux(out)


def _described(headers: CodecHeaders, keyframe: bytes) -> av.container.InputContainer:
    """Both streams as a muxer wants them described, read from a few bytes of FLV."""
    data = (
        flv.FILE_HEADER
        + flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(headers.video))
        + flv.file_tag(flv.AUDIO, 0, b"", flv.audio_header(headers.audio))
        + flv.file_tag(flv.VIDEO, 0, flv.KEYFRAME_HEAD, keyframe)
    )
    return av.open(io.BytesIO(data), "r", format="flv")
