"""Tracks when the picture is black or frozen or the sound silent, from ffmpeg's detectors or a cached encode."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tg_video_streamer.ffmpeg.filters import FAULT_SECONDS
from tg_video_streamer.library.sidecar import FaultSpan

_MARK = re.compile(r"^lavfi\.(black|freezedetect\.freeze|silence)_(start|end)=(-?[\d.]+)$")
_TIME = re.compile(r"^frame:\d+\s+pts:\S+\s+pts_time:(-?[\d.]+)")
_NAMES = {"black": "black", "freezedetect.freeze": "frozen", "silence": "silent"}
_SAME_SECONDS = 1.0
"""A fault that starts again so soon after its end has continued: another child reads on where the first one died."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """`fault` (black, frozen, silent) has started (`active`) or ended at `at_seconds` of the item."""

    fault: str
    active: bool
    at_seconds: float


@dataclass(kw_only=True, slots=True)
class _FaultRange:
    """One occurrence of a fault, in seconds of the item."""

    fault: str
    since: float
    until: float | None = None
    reported: bool = False
    over: bool = False
    """Nothing is left to report."""

    def lasts(self, until: float) -> bool:
        """Whether it is long enough at `until` to be reported."""
        return min(until, self.until if self.until is not None else until) - self.since >= FAULT_SECONDS


@dataclass(kw_only=True, slots=True)
class FaultWatch:
    """Takes lines of stderr or known faults; gives the faults that a viewer has met by a given time."""

    _origin: float = 0.0
    _ranges: list[_FaultRange] = field(default_factory=list)

    def begin(self, origin_seconds: float) -> None:
        """Lines of another child follow, whose times start at `origin_seconds` of the item; open faults end there."""
        self._origin = origin_seconds
        for one in self._ranges:
            if one.until is None:
                one.until = origin_seconds

    def take(self, line: str) -> bool:
        """Handle a line of stderr; whether a detector wrote it."""
        mark = _MARK.match(line)
        if mark is None:
            return _TIME.match(line) is not None or line.startswith("lavfi.")
        name, value = _NAMES[mark[1]], float(mark[3]) + self._origin
        last = next((one for one in reversed(self._ranges) if one.fault == name), None)
        if mark[2] == "end":
            if last is not None and last.until is None:
                last.until = value
        elif last is None or last.over or (last.until is not None and value - last.until > _SAME_SECONDS):
            self._ranges.append(_FaultRange(fault=name, since=value))
        else:
            last.until = None
        return True

    def expect(self, spans: Sequence[FaultSpan]) -> None:
        """The faults of the cached encode that plays now."""
        self._ranges = [_FaultRange(fault=one.fault, since=one.since_seconds, until=one.until_seconds) for one in spans]

    def spans(self, end_seconds: float) -> tuple[FaultSpan, ...]:
        """All faults of an item that ended at `end_seconds`."""
        return tuple(
            FaultSpan(
                fault=one.fault,
                since_seconds=one.since,
                until_seconds=end_seconds if one.until is None else one.until,
            )
            for one in self._ranges
            if one.lasts(end_seconds)
        )

    def reached(self, played_seconds: float) -> list[Fault]:
        """The faults that have started or ended by `played_seconds` of the item; each is given once."""
        faults = []
        for one in [one for one in self._ranges if not one.over]:
            if not one.reported and one.lasts(played_seconds):
                one.reported = True
                faults.append(Fault(fault=one.fault, active=True, at_seconds=one.since))
            if one.until is not None and one.until <= played_seconds:
                one.over = True
                if one.reported:
                    faults.append(Fault(fault=one.fault, active=False, at_seconds=one.until))
        return faults

    @property
    def pending(self) -> bool:
        """Whether known faults are left to report."""
        return any(not one.over for one in self._ranges)
