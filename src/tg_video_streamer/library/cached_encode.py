"""One cached encode: its key, and the reader of its packets, which checks each GOP against its checksum."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tg_video_streamer.errors import CachedEncodeDamaged
from tg_video_streamer.ffmpeg.house import USUAL_AUDIO_KILOBITS, HouseFormat, VideoSize
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.library import locks
from tg_video_streamer.library.files import read_sidecar
from tg_video_streamer.library.sidecar import VERSION, Gop, Sidecar
from tg_video_streamer.media import CodecHeaders, Fit, FrameRate, Kind, Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.rtmp import flv
from tg_video_streamer.sound_times import exact_times

ZERO_MILLISECONDS = 1000
"""FLV has no negative times: all times in the file are this much later, so that early sound fits in."""

_VIDEO_HEAD = len(flv.KEYFRAME_HEAD)
_SOUND_HEAD = len(flv.SOUND_HEAD)
_TAG_HEAD = 11
_TAG_BEGINNING = struct.Struct(">BBHBHB3xB")
"""Kind, size and time of a tag, and the first byte of its body."""
_KEYFRAME = flv.KEYFRAME_HEAD[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedEncode:
    """A finished encode of one item, as the index knows it."""

    key: str
    item_key: str
    source_id: str
    title: str
    frames: int
    rate: FrameRate
    bytes: int
    path: Path
    created_wall: float
    played_wall: float
    plays: int
    duration_seconds: float | None = None
    """Of the whole source, if known when this was encoded."""
    prepared: bool = False
    """It was found in the better format of what is encoded ahead of need."""

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.frames / self.rate

    def open(self) -> CachedEncodeReader:
        """Lock it against pruning and read its table; raises CachedEncodeDamaged."""
        return CachedEncodeReader(self)


def cache_key(
    *,
    item: Item,
    source_id: str,
    house: HouseFormat,
    headers: CodecHeaders,
    logo: str = "",
    preference: TrackPreference = NO_PREFERENCE,
) -> str:
    """32 hexadecimal digits, equal for equal content in the same format; pure.

    The version of ffmpeg is not part of it: an upgrade must not void the cache. The headers are, because encodes with
    other headers cannot be spliced. `logo`: the digest of the logo image on the picture, or empty. `preference`: the
    channel's languages.
    """
    tracks = str(item.tracks(preference))
    parts: list[str | float | int | None] = [
        VERSION,
        source_id,
        *item.media_options,
        str(VideoSize(width=house.width, height=house.height)),
        house.width,
        house.height,
        house.video_kilobits,
        float(house.loudness_lufs),
        json.dumps(house.encoder_arguments),
        headers.video.hex(),
        headers.audio.hex(),
        logo,
        # Where no language is preferred, keys are as before there were any.
        *([tracks] if tracks else []),
        # Nor does a key of 25 frames a second, the only rate once, name it.
        *([int(house.frame_rate)] if house.frame_rate is not FrameRate.FPS25 else []),
        *([str(house.fit)] if house.fit is not Fit.PAD and item.fit is None else []),
        *_sound_parts(item, house),
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _sound_parts(item: Item, house: HouseFormat) -> list[str]:
    """Nothing at the usual bit rate and for an item that is cut: so what older releases cached stays usable."""
    usual = house.audio_kilobits == USUAL_AUDIO_KILOBITS or "-b:a" in house.encoder_arguments
    fade = [f"fade {house.fade_seconds:g}"] if house.fade_seconds else []
    return [*([] if usual else [f"{house.audio_kilobits}k"]), *(["gapless"] if item.gapless else fade)]


class CachedEncodeReader:
    """An open cached encode, which no process prunes; close it. Not thread-safe."""

    def __init__(self, encode: CachedEncode) -> None:
        """Raises CachedEncodeDamaged."""
        self._name = encode.path.name
        try:
            self._descriptor = os.open(encode.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CachedEncodeDamaged(f"the cached encode {self._name} cannot be read: {error.strerror}") from error
        try:
            sidecar = self._check(encode)
        except OSError as error:
            self.close()
            raise CachedEncodeDamaged(f"the cached encode {self._name} cannot be read: {error.strerror}") from error
        except BaseException:
            self.close()
            raise
        self.frames = sidecar.record.frames
        """Pictures in all."""
        self.rate = sidecar.record.rate
        self.gops: Sequence[Gop] = sidecar.gops
        """In order, without a gap."""
        self.faults = sidecar.faults
        """Faults of its picture and sound, found while it was encoded."""
        self._firsts = [gop.first_frame for gop in sidecar.gops]

    def gop_at(self, frame: int) -> int:
        """The GOP that holds `frame`; the last one for a frame after the end."""
        return max(0, bisect_right(self._firsts, frame) - 1)

    def read(self, gop: int) -> list[Packet]:
        """The packets of one GOP in stream order; raises CachedEncodeDamaged."""
        entry = self.gops[gop]
        try:
            data = os.pread(self._descriptor, entry.length, entry.offset)
        except OSError as error:
            raise CachedEncodeDamaged(f"the cached encode {self._name} cannot be read: {error.strerror}") from error
        if len(data) != entry.length or zlib.crc32(data) != entry.crc32:
            raise CachedEncodeDamaged(f"the cached encode {self._name} is damaged in its GOP {gop}")
        return _packets(data, entry.first_frame, self.rate.frame_ticks)

    def close(self) -> None:
        """Allow its pruning; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, encode: CachedEncode) -> Sidecar:
        if not locks.lock_shared(self._descriptor) or not locks.is_linked(self._descriptor):
            raise CachedEncodeDamaged(f"the cached encode {self._name} is being removed")
        sidecar = read_sidecar(encode.path.parent, encode.key)
        size = os.fstat(self._descriptor).st_size
        if size != sidecar.record.bytes:
            raise CachedEncodeDamaged(
                f"the cached encode {self._name} has {size} bytes instead of {sidecar.record.bytes}"
            )
        head = os.pread(self._descriptor, sidecar.head_bytes, 0)
        if zlib.crc32(head) != sidecar.head_crc32:
            raise CachedEncodeDamaged(f"the cached encode {self._name} is damaged in its head")
        return sidecar


def _packets(data: bytes, first_frame: int, frame_ticks: int) -> list[Packet]:
    """The packets of whole tags; the checksum proves that they are well-formed."""
    parsed: list[tuple[bool, int, bool, bytes]] = []
    at = 0
    ticks = first_frame * frame_ticks
    while at < len(data):
        kind, size_high, size_low, time_high, time_low, time_highest, first = _TAG_BEGINNING.unpack_from(data, at)
        body = at + _TAG_HEAD
        at = body + (size_high << 16 | size_low)
        if kind == flv.VIDEO:
            parsed.append((True, ticks, first == _KEYFRAME, data[body + _VIDEO_HEAD : at]))
            ticks += frame_ticks
        else:
            own = ((time_highest << 24 | time_high << 16 | time_low) - ZERO_MILLISECONDS) * 3
            parsed.append((False, own, True, data[body + _SOUND_HEAD : at]))
        at += 4
    sound = iter(exact_times(own for picture, own, *_ in parsed if not picture))
    return [
        Packet(
            kind=Kind.VIDEO if picture else Kind.AUDIO,
            ticks=own if picture else next(sound),
            keyframe=keyframe,
            data=payload,
        )
        for picture, own, keyframe, payload in parsed
    ]
