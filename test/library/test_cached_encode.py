"""Copies: what is put in comes back, GOP by GOP, and nothing that was changed on the disk is taken for it."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stands import cached
from stands.ffmpegs import both_ffmpegs
from stands.house import FRAME_TICKS, house_of
from stands.program import Clip
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import CachedEncodeDamaged, CachedEncodeOfLaterVersion
from tg_video_streamer.library.cached_encode import CachedEncode, cache_key
from tg_video_streamer.library.library import Library
from tg_video_streamer.library.sidecar import dump_sidecar, load_sidecar
from tg_video_streamer.media import PACKET_TICKS, CodecHeaders, FrameRate, Kind, Packet


@some.composite
def _streams(draw: some.DrawFn) -> list[Packet]:
    """Any order of pictures and sound that begins, among pictures, with a keyframe."""
    stream = []
    frames = 0
    for is_picture in draw(some.lists(some.booleans(), max_size=40)):
        data = draw(some.binary(max_size=30))
        if is_picture:
            keyframe = frames == 0 or draw(some.booleans())
            stream.append(Packet(kind=Kind.VIDEO, ticks=frames * FRAME_TICKS, keyframe=keyframe, data=data))
            frames += 1
        else:
            milliseconds = draw(some.integers(-1000, 100_000))
            stream.append(Packet(kind=Kind.AUDIO, ticks=milliseconds * 3, keyframe=True, data=data))
    return stream


@given(stream=_streams())
def test_any_packets_come_back_in_their_order(tmp_path_factory: pytest.TempPathFactory, stream: list[Packet]) -> None:
    """With any interleaving, GOP length and sound lead, a cached encode gives back the packets that were put in."""
    library = cached.library(tmp_path_factory.mktemp("round"))
    writer = library.begin(cached.item("any"), "any", "any")
    assert writer is not None
    for packet in stream:
        writer.add(packet)
    encode = writer.commit()
    if encode is None:
        assert all(packet.kind is Kind.AUDIO for packet in stream)
        assert writer.failed
    else:
        assert cached.read_all(encode) == stream
        assert encode.frames == sum(packet.kind is Kind.VIDEO for packet in stream)
    library.close()


def test_a_gop_is_found_by_its_frames_and_read_alone(tmp_path: Path) -> None:
    """Seeking gives the GOP that holds the frame: the last one, though short, for whatever is behind the end."""
    encode = cached.encode(cached.library(tmp_path), cached.item("one"), cached.packets(frames=120))
    with encode.open() as reader:
        assert [reader.gop_at(frame) for frame in (0, 49, 50, 99, 100, 119, 120, 10_000)] == [0, 0, 1, 1, 2, 2, 2, 2]
        assert [(gop.first_frame, gop.frames) for gop in reader.gops] == [(0, 50), (50, 50), (100, 20)]
        pictures = [packet for packet in reader.read(2) if packet.kind is Kind.VIDEO]
    assert [picture.ticks for picture in pictures] == [frame * FRAME_TICKS for frame in range(100, 120)]
    assert pictures[0].keyframe
    assert encode.seconds == 4.8


def test_sound_keeps_the_times_that_milliseconds_cannot_say(tmp_path: Path) -> None:
    """Sound on the grid of AAC packets comes back to the tick, and sound before the first second not at all."""
    picture = Packet(kind=Kind.VIDEO, ticks=0, keyframe=True, data=b"picture")
    sound = [Packet(kind=Kind.AUDIO, ticks=n * PACKET_TICKS - 3002, keyframe=True, data=b"%d" % n) for n in range(500)]
    read = cached.read_all(cached.encode(cached.library(tmp_path), cached.item("one"), [picture, *sound]))
    assert [packet.data for packet in read[1:]] == [packet.data for packet in sound[1:]]
    assert [packet.ticks for packet in read[1:]] == [own.ticks for own in sound[1:]]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param([(0, False)], id="no-keyframe-first"),
        pytest.param([(1, True)], id="not-from-the-beginning"),
        pytest.param([(0, True), (2, False)], id="a-frame-is-missing"),
        pytest.param([(0, True), (0, True)], id="a-frame-comes-twice"),
    ],
)
def test_an_item_that_is_not_whole_is_not_cached(tmp_path: Path, wrong: list[tuple[int, bool]]) -> None:
    """Frames that are not consecutive from the first keyframe on end the writing and leave nothing on the disk."""
    library = cached.library(tmp_path)
    writer = library.begin(cached.item("one"), "one", "one")
    assert writer is not None
    for frame, keyframe in wrong:
        writer.add(Packet(kind=Kind.VIDEO, ticks=frame * FRAME_TICKS, keyframe=keyframe, data=b"data"))
    assert writer.failed
    assert not list(tmp_path.glob("*.part"))
    assert writer.commit() is None
    assert library.encodes() == []
    assert not library.problem
    assert library.begin(cached.item("one"), "one", "one") is not None


def test_an_abandoned_item_leaves_nothing(tmp_path: Path) -> None:
    """A failed feed caches nothing, and the next attempt may cache the item."""
    library = cached.library(tmp_path)
    writer = library.begin(cached.item("one"), "one", "one")
    assert writer is not None
    for packet in cached.packets():
        writer.add(packet)
    assert library.begin(cached.item("one"), "one", "one") is None, "two writers of one encode"
    writer.abandon()
    writer.abandon()
    assert writer.commit() is None
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(("index", "."))] == []
    again = library.begin(cached.item("one"), "one", "one")
    assert again is not None
    again.abandon()


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    """If any byte of both files is flipped, the encode is damaged and never gives other packets than were put in."""
    encode = cached.encode(cached.library(tmp_path), cached.item("one"), cached.packets(frames=60, frame_bytes=4))
    for path in (encode.path, encode.path.with_suffix(".json")):
        good = path.read_bytes()
        with path.open("r+b", buffering=0) as file:
            for at, bits in itertools.product(range(len(good)), (0x01, 0x20, 0xFF)):
                os.pwrite(file.fileno(), bytes([good[at] ^ bits]), at)
                with pytest.raises(CachedEncodeDamaged):
                    cached.read_all(encode)
                os.pwrite(file.fileno(), good[at : at + 1], at)
    assert cached.read_all(encode) == list(cached.packets(frames=60, frame_bytes=4))


def _cut(encode: CachedEncode) -> None:
    os.truncate(encode.path, encode.bytes - 1)


def _grow(encode: CachedEncode) -> None:
    with encode.path.open("ab") as file:
        file.write(b"more")


def _lose_sidecar(encode: CachedEncode) -> None:
    encode.path.with_suffix(".json").unlink()


def _lose_packets(encode: CachedEncode) -> None:
    encode.path.unlink()


def _swap_sidecars(encode: CachedEncode) -> None:
    other = replace(load_sidecar(encode.path.with_suffix(".json").read_bytes()).record, key="0" * 32)
    sidecar = replace(load_sidecar(encode.path.with_suffix(".json").read_bytes()), record=other)
    encode.path.with_suffix(".json").write_bytes(dump_sidecar(sidecar))


@pytest.mark.parametrize("harm", [_cut, _grow, _lose_sidecar, _lose_packets, _swap_sidecars])
def test_a_copy_that_lost_a_part_is_not_opened_and_is_dropped_by_verify(
    tmp_path: Path, harm: Callable[[CachedEncode], None]
) -> None:
    """Cut short, grown, without its sidecar or packets, with another's sidecar: damaged; the others stay."""
    library = cached.library(tmp_path)
    encode, other = cached.encode(library, cached.item("one")), cached.encode(library, cached.item("two"))
    harm(encode)
    with pytest.raises(CachedEncodeDamaged):
        encode.open()
    seen: list[CachedEncode] = []
    verified = library.verify(progress=seen.append)
    assert (verified.whole, verified.bytes, verified.damaged) == (1, other.bytes, (encode,))
    assert seen == [encode, other]
    assert library.encodes() == [other]
    assert not list(tmp_path.glob(f"{encode.key}*"))
    cached.encode(library, cached.item("one"))


def test_a_copy_that_is_cut_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    """The file shrinks under an open reader: the GOPs that are left are read, the lost one is damage and no crash."""
    encode = cached.encode(cached.library(tmp_path), cached.item("one"))
    with encode.open() as reader:
        os.truncate(encode.path, reader.gops[1].offset + 10)
        assert reader.read(0)
        with pytest.raises(CachedEncodeDamaged):
            reader.read(1)
        with pytest.raises(CachedEncodeDamaged):
            reader.read(2)


def test_a_sidecar_of_a_later_version_is_told_apart() -> None:
    """What this version cannot read because it is newer is not called damaged."""
    body = b'"version":2,"anything":{}}'
    with pytest.raises(CachedEncodeOfLaterVersion):
        load_sidecar(b'{"crc32":"%08x",' % zlib.crc32(body) + body)


def test_the_key_changes_with_all_that_decides_what_is_seen() -> None:
    """Source, bounds, volume, house format, FFMPEG_ARGS, headers and logo change the key; a title does not."""
    item = cached.item("one")
    base = {"item": item, "source_id": "site one", "house": cached.HOUSE, "headers": cached.HEADERS, "logo": ""}
    others: list[dict[str, object]] = [
        {"source_id": "site two"},
        {"item": replace(item, start_seconds=1.0)},
        {"item": replace(item, end_seconds=1.0)},
        {"item": replace(item, volume=0.5)},
        {"house": house_of("720p")},
        {"house": replace(cached.HOUSE, frame_rate=FrameRate.FPS30)},
        {"house": replace(cached.HOUSE, video_kilobits=1)},
        {"house": replace(cached.HOUSE, loudness_lufs=-23.0)},
        {"house": replace(cached.HOUSE, audio_kilobits=192)},
        {"house": replace(cached.HOUSE, fade_seconds=1.0)},
        {"house": replace(cached.HOUSE, fade_seconds=2.0)},
        {"item": replace(item, gapless=True)},
        {"house": replace(cached.HOUSE, encoder_arguments=("-preset", "fast"))},
        {"house": replace(cached.HOUSE, encoder_arguments=("-preset fast",))},
        {"headers": CodecHeaders(video=b"other", audio=cached.HEADERS.audio)},
        {"headers": CodecHeaders(video=cached.HEADERS.video, audio=b"other")},
        {"logo": "logo.png"},
        {"source_id": "site \udc80"},
    ]
    keys = {cache_key(**{**base, **other}) for other in [{}, *others]}  # type: ignore[arg-type]
    assert len(keys) == len(others) + 1
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys)
    same = cache_key(
        item=replace(item, title="another title", start_seconds=0),
        source_id="site one",
        house=cached.HOUSE,
        headers=cached.HEADERS,
    )
    assert same in keys
    # What FFMPEG_ARGS replaces does not count, nor does a transition that an item has not.
    rates = [replace(cached.HOUSE, encoder_arguments=("-b:a", "96k"), audio_kilobits=number) for number in (64, 192)]
    fades = [replace(cached.HOUSE, fade_seconds=number) for number in (0.0, 1.0)]
    assert len({cache_key(**{**base, "house": one}) for one in rates}) == 1  # type: ignore[arg-type]
    assert len({cache_key(**{**base, "house": one, "item": replace(item, gapless=True)}) for one in fades}) == 1  # type: ignore[arg-type]


def test_a_copy_is_played_by_any_player(tmp_path: Path, house_clip: Clip) -> None:
    """Both ffmpegs and ffprobe read a cached encode as the video that was cached: every picture, on the grid, no error."""
    library = Library(
        tmp_path,
        max_bytes=cached.PLENTY,
        floor_bytes=0,
        house=house_clip.house,
        headers=house_clip.headers,
        clock=SystemClock(),
    )
    library.open()
    pictures = [
        Packet(kind=Kind.VIDEO, ticks=frame * FRAME_TICKS, keyframe=keyframe, data=data)
        for frame, (keyframe, data) in enumerate(house_clip.video)
    ]
    sound = [
        Packet(kind=Kind.AUDIO, ticks=n * PACKET_TICKS - 63, keyframe=True, data=data)
        for n, data in enumerate(house_clip.audio)
    ]
    encode = cached.encode(library, cached.item("clip"), sorted([*pictures, *sound], key=lambda packet: packet.ticks))
    for ffmpeg in both_ffmpegs():
        command = [str(ffmpeg), "-nostdin", "-v", "error", "-xerror", "-i", str(encode.path)]
        command += ["-map", "0:v", "-f", "framecrc", "-"]
        decoded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        rows = [line.split(",") for line in decoded.stdout.splitlines() if not line.startswith("#")]
        assert decoded.stderr == ""
        assert [int(row[2]) for row in rows] == [int(rows[0][2]) + n for n in range(len(house_clip.video))]
    if (ffprobe := shutil.which("ffprobe")) is None:
        pytest.skip("no ffprobe on this machine")
    command = [ffprobe, "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets"]
    probed = subprocess.run(
        [*command, "-of", "csv=p=0", str(encode.path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert probed.stderr == ""
    assert probed.stdout.split() == [f"h264,{len(pictures)}", f"aac,{len(sound)}"]
