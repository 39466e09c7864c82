"""What a place to seek to means."""

from __future__ import annotations

import pytest

from tg_video_streamer.control.seek_target import seek_target
from tg_video_streamer.errors import ControlError


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("+30", 130.0),
        ("-30", 70.0),
        ("\u221230", 70.0),
        (" + 1:00 ", 160.0),
        ("-1:00:00", 0.0),
        ("0", 0.0),
        ("90.5", 90.5),
        ("9:59", 599.0),
        ("0:01:30", 90.0),
    ],
)
def test_a_place_is_from_here_or_from_the_start(to: str, target: float) -> None:
    """A sign counts from where the item is, never before its start; without one it is the item's own time."""
    assert seek_target(to, at_seconds=100.0, length_seconds=600.0) == target


@pytest.mark.parametrize("to", ["", "+", "--30", "+-30", "12:99", "half", "1:2:3:4", "nan", "1e9", "-\u0663\u0660"])
def test_what_is_no_time_is_refused(to: str) -> None:
    """The refusal names the text and shows what is a time."""
    with pytest.raises(ControlError, match=r"is not a time.*12:00"):
        seek_target(to, at_seconds=100.0, length_seconds=600.0)


@pytest.mark.parametrize("to", ["10:00", "+500", "1:00:00"])
def test_a_place_beyond_the_end_is_refused(to: str) -> None:
    """The refusal names the length; of an item whose length is unknown its source decides."""
    with pytest.raises(ControlError, match=r"beyond the end of the item, which is 10:00 long"):
        seek_target(to, at_seconds=100.0, length_seconds=600.0)
    assert seek_target(to, at_seconds=100.0, length_seconds=None) >= 600.0
