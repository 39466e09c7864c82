"""AMF0: what is written is read back, and nothing that a peer can send breaks the reader."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import MalformedMessage
from tg_video_streamer.rtmp import amf

_plain = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=40)
_values = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(_values, max_size=5))
def test_values_survive(values: list[amf.Value]) -> None:
    """Whatever is encoded is decoded to the same values."""
    assert amf.decode(amf.encode(*values)) == values


@given(st.binary(max_size=300))
def test_any_bytes_are_values_or_malformed(data: bytes) -> None:
    """Random bytes are decoded or refused with MalformedMessage, nothing else."""
    with contextlib.suppress(MalformedMessage):
        amf.decode(data)


def test_long_text_and_arrays_survive() -> None:
    """Text beyond 65,535 bytes and ECMA arrays have forms of their own."""
    text = "ü" * 40_000
    assert amf.decode(amf.encode(text, amf.EcmaArray(width=854.0))) == [text, {"width": 854.0}]


def test_deep_nesting_is_refused() -> None:
    """A thousand objects in one another are refused before Python's stack is full."""
    with pytest.raises(MalformedMessage, match="deeply"):
        amf.decode(b"\x03\0\1a" * 1000)


def test_dates_are_numbers() -> None:
    """A date is read as its milliseconds, its time zone skipped."""
    assert amf.decode(b"\x0b" + b"\x7f\xf0\0\0\0\0\0\0" + b"\0\0" + amf.encode("x")) == [math.inf, "x"]
