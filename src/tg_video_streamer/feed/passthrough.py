"""Passthrough: which items are played without encoding, and the rules that each of their packets must meet.

Only a whole item passes through, whose codec headers are the program's byte for byte and which has the house loudness.
The rest is checked while it is read: groups of 2 s that start with an IDR picture, no B-frames, the grid of both
streams, the house bit rate. Packets are passed on one whole group at a time, so that the encoder can continue at a
keyframe after a broken rule.
"""

from __future__ import annotations

from tg_video_streamer.errors import NotHouseFormat
from tg_video_streamer.ffmpeg.encode import audio_bits, group_bytes_limit
from tg_video_streamer.ffmpeg.filters import PEAK_DECIBELS
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.media import PACKET_TICKS, TICKS_PER_SECOND, CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.item import PLAIN, Item

LOUDNESS_TOLERANCE = 1.0
"""In LU: below what is audible between two items, above the error of a measurement in samples."""
_SPARE = 1.1
"""Encoders exceed their rate a little."""
_SOUND_AHEAD_TICKS = 2 * TICKS_PER_SECOND
"""A variable bit rate may be so much ahead of its mean."""
_SLICE, _IDR, _INFORMATION, _DELIMITER, _FILLER = 1, 5, 6, 9, 12
"""Types of NAL unit (ITU-T H.264, table 7-1) that may be in a packet; parameter sets would change the headers."""
_ALLOWED = frozenset({_SLICE, _IDR, _INFORMATION, _DELIMITER, _FILLER})


def may_pass_through(item: Item, source: SourceFacts, house: HouseFormat, headers: CodecHeaders) -> bool:
    """Whether an item, played from its start, may pass through; pure."""
    picture, sound = source.picture, source.sound
    if picture is None or sound is None or source.live or source.endless_picture or source.subtitles is not None:
        return False
    same = (picture.codec_header, sound.codec_header) == (headers.video.hex(), headers.audio.hex())
    upright = picture.rotation == 0 and picture.sample_aspect in {"1", "1:1"} and not picture.interlaced
    loud = sound.loudness_lufs is not None and abs(sound.loudness_lufs - house.loudness_lufs) <= LOUDNESS_TOLERANCE
    low = sound.peak_decibels is None or sound.peak_decibels <= PEAK_DECIBELS
    fades = house.fade_seconds > 0 and not item.gapless
    return item.media_options == PLAIN and not fades and same and upright and loud and low and _as_long(source)


def _as_long(source: SourceFacts) -> bool:
    """Whether both streams are equally long; otherwise the encoder fills up the shorter one."""
    lengths = [one.duration_seconds for one in (source.picture, source.sound) if one is not None]
    known = [length for length in lengths if length is not None]
    return len(known) < 2 or abs(known[0] - known[1]) <= 0.5


class HouseRules:
    """Checks the packets of one item in stream order, and returns them when their group is complete."""

    def __init__(self, house: HouseFormat) -> None:
        self._gop_frames = house.frame_rate.gop_frames
        self._limit = group_bytes_limit(house) * _SPARE
        self._held: list[Packet] = []
        self._pictures = 0
        self._bytes = 0
        self._last_sound: int | None = None
        self._sound_limit = audio_bits(house) / 8 / TICKS_PER_SECOND * _SPARE
        self._sound_bytes = 0
        self._sound_ticks = _SOUND_AHEAD_TICKS

    def take(self, packet: Packet) -> list[Packet]:
        """The packets that may be passed on now. Raises NotHouseFormat."""
        if packet.kind is Kind.AUDIO:
            self._check_sound(packet)
            self._held.append(packet)
            return []
        released = self._begin_group() if self._pictures == self._gop_frames else []
        self._check_picture(packet)
        self._held.append(packet)
        return released

    def rest(self) -> list[Packet]:
        """The last group of the item, which may be short."""
        held, self._held = self._held, []
        return held

    def _begin_group(self) -> list[Packet]:
        released, self._held = self._held, []
        self._pictures = self._bytes = 0
        return released

    def _check_picture(self, packet: Packet) -> None:
        kinds = nal_kinds(packet.data)
        if not kinds <= _ALLOWED or len(kinds & {_SLICE, _IDR}) != 1:
            raise NotHouseFormat("a packet holds parameter sets, or no picture")
        if (_IDR in kinds) is not (self._pictures == 0) or packet.keyframe is not (self._pictures == 0):
            raise NotHouseFormat(f"picture {self._pictures} of a group of {self._gop_frames} has the wrong type")
        self._pictures += 1
        self._bytes += len(packet.data)
        if self._bytes > self._limit:
            raise NotHouseFormat("its bit rate is above the house format's")

    def _check_sound(self, packet: Packet) -> None:
        before, self._last_sound = self._last_sound, packet.ticks
        if before is not None and abs(packet.ticks - before - PACKET_TICKS) > PACKET_TICKS // 2:
            raise NotHouseFormat("its sound has a gap, or packets of another length")
        self._sound_bytes += len(packet.data)
        self._sound_ticks += PACKET_TICKS
        if self._sound_bytes > self._sound_ticks * self._sound_limit:
            raise NotHouseFormat("the bit rate of its sound is above the house format's")


def nal_kinds(data: bytes) -> set[int]:
    """The types of the NAL units in one packet with four-byte lengths; raises NotHouseFormat for any other form."""
    kinds = set()
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if length == 0 or at + length > len(data):
            raise NotHouseFormat("a picture is cut off or malformed")
        kinds.add(data[at] & 0x1F)
        at += length
    return kinds
