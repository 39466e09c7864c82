"""What arrived at the far end of an output, held against what the program published."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import av

from tg_video_streamer.media import Kind, Stamped

Arrived = tuple[Kind, int, bytes]
"""Kind, milliseconds in the record, data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Where a record leaves the program: `index` packets were right."""

    index: int
    wanted: str
    got: str


def arrived(path: Path) -> list[Arrived]:
    """All packets of an FLV or Matroska record, which keep them as they were sent; a half tag at its end is left out."""
    with av.open(io.BytesIO(path.read_bytes()), "r") as container:
        return [
            (Kind(one.stream.type), round(one.pts * one.time_base * 1000), bytes(one))
            for one in container.demux()
            if one.size and one.pts is not None and not one.is_corrupt
        ]


def difference(record: list[Arrived], published: list[Stamped]) -> Difference | None:
    """None where the record is a piece of the program without a packet missing, doubled or moved in time.

    It may begin at any keyframe; where none fits, the best one tells where it leaves the program.
    """
    assert record
    starts = [
        index
        for index, packet in enumerate(published)
        if packet.kind is Kind.VIDEO and packet.keyframe and packet.data == record[0][2]
    ]
    assert starts, "the record does not begin with a keyframe of the program"
    found = [_compare(record, published, start) for start in starts]
    return None if None in found else max((one for one in found if one is not None), key=lambda one: one.index)


def _compare(record: list[Arrived], published: list[Stamped], start: int) -> Difference | None:
    base = published[start].ticks
    wanted = (
        (packet.kind, (ticks + 1) // 3, packet.data)
        for packet in published[start:]
        if (ticks := packet.ticks - base) >= 0
    )
    for index, got in enumerate(record):
        expected = next(wanted, None)
        if expected is None:
            return Difference(index=index, wanted="the end", got=str(got[:2]))
        if got != expected:
            return Difference(index=index, wanted=str(expected[:2]), got=str(got[:2]))
    return None


def decoded_pictures(path: Path, *, torn: int = 0) -> int:
    """How many pictures a decoder that forgives nothing gets out of it; at most `torn` packets may be damaged."""
    count = 0
    with av.open(io.BytesIO(path.read_bytes()), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        for packet in container.demux(stream):
            try:
                count += len(packet.decode())
            except av.InvalidDataError:
                torn -= 1
                if torn < 0:
                    raise
    return count


def pictures(record: list[Arrived]) -> int:
    """How many packets of it are pictures."""
    return sum(kind is Kind.VIDEO for kind, _, _ in record)
