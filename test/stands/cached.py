"""Small libraries for tests, with made-up packets in the order of an encoder."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from stands.house import FRAME_TICKS, GOP_FRAMES, house_of
from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.cached_encode import CachedEncode, cache_key
from tg_video_streamer.library.files import media_path, sidecar_path
from tg_video_streamer.library.library import Grade, Library
from tg_video_streamer.library.sidecar import Gop, Record, Sidecar, dump_sidecar
from tg_video_streamer.media import CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.item import Item, LocatorKind

HOUSE = house_of("480p")
HEADERS = CodecHeaders(video=bytes.fromhex("0142c01effe100086742c01e95a0a0d2010004 68ce3c80"), audio=b"\x11\x90")
PLENTY = 1 << 40


def library(
    folder: Path,
    *,
    max_bytes: int = PLENTY,
    floor_bytes: int = 0,
    clock: Clock | None = None,
    keep_removed: bool = False,
    prepared: Callable[[], HouseFormat | None] = lambda: None,
    house: HouseFormat = HOUSE,
) -> Library:
    """An open library."""
    made = Library(
        folder,
        max_bytes=max_bytes,
        floor_bytes=floor_bytes,
        house=house,
        headers=HEADERS,
        clock=clock or SystemClock(),
        keep_removed=keep_removed,
        prepared=prepared,
    )
    made.open()
    return made


def item(name: str) -> Item:
    """An item for each `name`."""
    return Item(LocatorKind.URL, f"https://site.example/{name}", title=name)


def packets(*, frames: int = 120, frame_bytes: int = 200, seed: int = 0) -> Iterator[Packet]:
    """Pictures with their sound, which begins a little early, as an encoder gives them."""
    dice = random.Random(seed)  # noqa: S311 - content for tests
    sound = -21 * 3
    for frame in range(frames):
        while sound < frame * FRAME_TICKS:
            yield Packet(kind=Kind.AUDIO, ticks=sound, keyframe=True, data=dice.randbytes(20))
            sound += 64
        keyframe = frame % GOP_FRAMES == 0
        yield Packet(kind=Kind.VIDEO, ticks=frame * FRAME_TICKS, keyframe=keyframe, data=dice.randbytes(frame_bytes))


def encode(
    library: Library, one: Item, source: Iterable[Packet] | None = None, *, grade: Grade = Grade.LIVE
) -> CachedEncode:
    """Cache a whole item."""
    writer = library.begin(one, one.locator, one.title, grade=grade)
    assert writer is not None, library.problem or "it is cached already"
    for packet in packets() if source is None else source:
        writer.add(packet)
    encode = writer.commit()
    assert encode is not None, writer.failed
    return encode


def read_all(encode: CachedEncode) -> list[Packet]:
    """Everything, GOP by GOP."""
    with encode.open() as reader:
        return [packet for gop in range(len(reader.gops)) for packet in reader.read(gop)]


def fill(folder: Path, entries: int) -> None:
    """Put so many small encodes into the folder, like a process that was killed before it listed them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(entries):
        one = item(str(number))
        key = cache_key(item=one, source_id=one.locator, house=HOUSE, headers=HEADERS)
        gops = tuple(
            Gop(first_frame=n * GOP_FRAMES, frames=GOP_FRAMES, offset=n, length=1, crc32=0) for n in range(100)
        )
        record = Record(
            key=key,
            item_key=one.key,
            source_id=one.locator,
            title=one.title,
            frames=100 * GOP_FRAMES,
            bytes=100,
            rate=HOUSE.frame_rate,
            created_wall=float(number),
        )
        sidecar_path(folder, key).write_bytes(
            dump_sidecar(Sidecar(record=record, head_bytes=0, head_crc32=0, gops=gops))
        )
        media_path(folder, key).write_bytes(b"x" * 100)


def check_whole(folder: Path, max_bytes: int) -> int:
    """After a kill: all listed encodes are whole and no other file is left; how many encodes there are."""
    after = library(folder, max_bytes=max_bytes)
    encodes = after.encodes()
    assert after.problem is None
    verified = after.verify()
    assert (verified.whole, verified.damaged) == (len(encodes), ())
    assert verified.bytes == after.bytes == sum(encode.path.stat().st_size for encode in encodes)
    after.prune()
    assert after.bytes <= max_bytes
    files = {path.name for path in folder.iterdir() if not path.name.startswith(("index.sqlite", ".lock"))}
    assert files == {f"{encode.key}.{kind}" for encode in after.encodes() for kind in ("flv", "json")}
    assert not (folder / "index.damaged").exists(), "kill -9 must not damage the index"
    after.close()
    return len(encodes)
