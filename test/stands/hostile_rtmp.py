"""What a peer that means harm, or speaks something else, may send in place of RTMP: for property tests of both ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.chunks import ChunkWriter, RtmpMessage


def chunked(kind: int, payload: bytes) -> bytes:
    """A message as it goes over the wire."""
    return ChunkWriter().message(3, RtmpMessage(kind=kind, payload=payload))


def hostile(names: Sequence[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Bytes, messages of any kind with any payload, and commands of these `names` with such `values`."""
    commands = st.builds(
        lambda name, rest: amf.encode(name, *rest), st.sampled_from(names), st.lists(values, max_size=4)
    )
    messages = st.builds(chunked, st.integers(0, 255), st.one_of(st.binary(max_size=60), commands))
    return st.one_of(st.binary(max_size=400), messages)
