"""Fragmented MP4 boxes (ISO/IEC 14496-12): the init segment, and one `moof` a fragment.

Video uses a timescale of 3000 Hz and audio 48000 Hz, so that frames and packets have whole durations.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import TICKS_PER_SECOND, CodecHeaders

VIDEO_TRACK = 1
AUDIO_TRACK = 2
AUDIO_RATE = 48_000
SAMPLES_PER_PACKET = 1024

_IDENTITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED_LANGUAGE = 0x55C4
# Sample flags of ISO/IEC 14496-12 §8.8.3.1: what the sample depends on, and whether it is a point to start from.
_KEYFRAME_FLAGS = 0x02000000
_DEPENDENT_FLAGS = 0x01010000


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackRun:
    """Consecutive packets of one track: its number, decoding time in the track's clock, and each packet's size."""

    track: int
    time: int
    sizes: Sequence[int]
    keyframe: bool


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box: length, four-letter type, content."""
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """One box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def init_segment(headers: CodecHeaders, house: HouseFormat) -> bytes:
    """The init segment: `ftyp`, and a `moov` with two empty tracks."""
    movie = full_box(
        b"mvhd", 0, 0, struct.pack(">5IH10x", 0, 0, TICKS_PER_SECOND, 0, 0x10000, 0x100), _IDENTITY_MATRIX, bytes(24),
        struct.pack(">I", AUDIO_TRACK + 1),
    )  # fmt: skip
    picture = _track(
        VIDEO_TRACK, b"vide", TICKS_PER_SECOND, full_box(b"vmhd", 0, 1, bytes(8)), _avc1(headers, house.width, house.height),
        struct.pack(">HHII", 0, 0, house.width << 16, house.height << 16),
    )  # fmt: skip
    sound = _track(
        AUDIO_TRACK, b"soun", AUDIO_RATE, full_box(b"smhd", 0, 0, bytes(4)), _mp4a(headers),
        struct.pack(">HHII", 0x100, 0, 0, 0),
    )  # fmt: skip
    extends = box(
        b"mvex",
        full_box(b"trex", 0, 0, struct.pack(">5I", VIDEO_TRACK, 1, house.frame_rate.frame_ticks, 0, _DEPENDENT_FLAGS)),
        full_box(b"trex", 0, 0, struct.pack(">5I", AUDIO_TRACK, 1, SAMPLES_PER_PACKET, 0, _KEYFRAME_FLAGS)),
    )
    brands = box(b"ftyp", b"iso5", struct.pack(">I", 512), b"iso5iso6mp41")
    return brands + box(b"moov", movie, picture, sound, extends)


def fragment_header(sequence: int, runs: Sequence[TrackRun]) -> bytes:
    """The `moof` of one fragment and the head of its `mdat`; the packets of `runs` follow, run after run."""
    # The boxes' sizes do not depend on the offsets that they hold: the first pass only measures.
    size = len(_moof(sequence, runs, first_byte=0))
    content = sum(sum(run.sizes) for run in runs)
    return _moof(sequence, runs, first_byte=size + 8) + struct.pack(">I4s", 8 + content, b"mdat")


def _moof(sequence: int, runs: Sequence[TrackRun], first_byte: int) -> bytes:
    parts = [full_box(b"mfhd", 0, 0, struct.pack(">I", sequence & 0xFFFFFFFF))]
    for run in runs:
        parts.append(_traf(run, first_byte))
        first_byte += sum(run.sizes)
    return box(b"moof", *parts)


def _traf(run: TrackRun, first_byte: int) -> bytes:
    # trun flags: data offset, first sample's flags (keyframe only), each sample's size; the rest is in trex.
    first_flags = struct.pack(">I", _KEYFRAME_FLAGS) if run.keyframe else b""
    return box(
        b"traf",
        full_box(b"tfhd", 0, 0x020000, struct.pack(">I", run.track)),
        full_box(b"tfdt", 1, 0, struct.pack(">Q", run.time)),
        full_box(
            b"trun",
            0,
            0x205 if run.keyframe else 0x201,
            struct.pack(">II", len(run.sizes), first_byte),
            first_flags,
            struct.pack(f">{len(run.sizes)}I", *run.sizes),
        ),
    )


def _track(track: int, handler: bytes, clock: int, media_header: bytes, entry: bytes, shape: bytes) -> bytes:
    header = full_box(
        b"tkhd", 0, 7, struct.pack(">5I8xHH", 0, 0, track, 0, 0, 0, 0), shape[:4], _IDENTITY_MATRIX, shape[4:]
    )
    no_samples = (full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco"))
    table = box(
        b"stbl", full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry), *no_samples, full_box(b"stsz", 0, 0, bytes(8))
    )
    here = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, clock, 0, _UNDETERMINED_LANGUAGE, 0)),
        full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, handler), b"program\0"),
        box(b"minf", media_header, here, table),
    )
    return box(b"trak", header, media)


def _avc1(headers: CodecHeaders, width: int, height: int) -> bytes:
    return box(
        b"avc1",
        struct.pack(">6xH16xHHII4xH32xHh", 1, width, height, 0x480000, 0x480000, 1, 24, -1),
        box(b"avcC", headers.video),
    )


def _mp4a(headers: CodecHeaders) -> bytes:
    # Elementary stream descriptor, ISO/IEC 14496-1 §7.2.6: AAC (0x40) in an audio stream (5 << 2 | 1).
    config = _descriptor(5, headers.audio)
    decoder = _descriptor(4, struct.pack(">BB3xII", 0x40, 0x15, 0, 0), config)
    stream = _descriptor(3, struct.pack(">HB", AUDIO_TRACK, 0), decoder, _descriptor(6, b"\x02"))
    return box(b"mp4a", struct.pack(">6xH8xHH4xI", 1, 2, 16, AUDIO_RATE << 16), full_box(b"esds", 0, 0, stream))


def _descriptor(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">BB", tag, len(content)) + content
