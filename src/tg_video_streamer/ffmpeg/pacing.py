"""Puts the pictures of a source on an even grid, before the house rate drops or repeats some of them; pure.

Containers round times: to a millisecond in Matroska, and a phone's are never even. Where the grid of a source of 29.97 fps
slides past the grid of 30 fps, each such error alone would decide whether a picture is shown twice and the next one lost:
684 of an hour's pictures. Here a picture follows its predecessor on the grid until it is 0.65 of a picture off, and only
then one is repeated or dropped.
"""

from __future__ import annotations

from fractions import Fraction

from tg_video_streamer.media import FrameRate

_STEPS = 1000
"""Parts of a picture in which the filter counts."""
_TOLERATED = 650
_NEAR = 0.02
"""What differs by less is the same rate, and the clock drops or repeats a picture now and then."""
_STANDARD = tuple(Fraction(number) for number in (24, 25, 30, 48, 50, 60, 100, 120))
_NTSC = Fraction(1000, 1001)
_EXACT = 0.001


def pace(source_rate: float, house_rate: FrameRate) -> str:
    """The filters with a comma behind them; empty where the source has no even rate that is known."""
    grid = grid_of(source_rate, house_rate)
    if grid is None:
        return ""
    unit = 1 / (grid * _STEPS)
    follows = f"lte(abs(PTS-PREV_OUTPTS-{_STEPS})\\,{_TOLERATED})"
    near = f"round(PTS/{_STEPS})*{_STEPS}"
    # At the first picture PREV_OUTPTS is no number, and no comparison with that is true.
    return f"settb={unit.numerator}/{unit.denominator},setpts='if({follows}\\,PREV_OUTPTS+{_STEPS}\\,{near})',"


def grid_of(source_rate: float, house_rate: FrameRate) -> Fraction | None:
    """Pictures a second of the grid: a multiple of the house rate, or else the source's own, if it is a standard one."""
    if source_rate <= 0:
        return None
    multiple = round(source_rate / house_rate)
    if multiple and abs(source_rate / (multiple * house_rate) - 1) <= _NEAR:
        return Fraction(multiple * house_rate)
    known = (rate * factor for rate in _STANDARD for factor in (Fraction(1), _NTSC))
    nearest = min(known, key=lambda rate: abs(float(rate) - source_rate))
    return nearest if abs(float(nearest) / source_rate - 1) <= _EXACT else None
