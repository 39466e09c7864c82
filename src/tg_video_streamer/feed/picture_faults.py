"""From when to when the picture is black or frozen, or the sound silent: understood from ffmpeg's detectors, or kept with a copy."""

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
"""What begins again so soon after it has ended has gone on: another child reads on where the first one died."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """`fault` (black, frozen, silent) is there (`active`) or over, as of `at_seconds` of the item."""

    fault: str
    active: bool
    at_seconds: float


@dataclass(kw_only=True, slots=True)
class _Stretch:
    """One time of one fault, in seconds of the item."""

    fault: str
    since: float
    until: float | None = None
    told: bool = False
    over: bool = False
    """Nothing is left to tell."""

    def lasts(self, until: float) -> bool:
        """Whether it has gone on long enough by `until` for anybody to be told."""
        return min(until, self.until if self.until is not None else until) - self.since >= FAULT_SECONDS


@dataclass(kw_only=True, slots=True)
class FaultWatch:
    """Takes lines of stderr, or what is known of a copy; gives the faults that a viewer will have met by a given time."""

    _origin: float = 0.0
    _stretches: list[_Stretch] = field(default_factory=list)

    def begin(self, origin_seconds: float) -> None:
        """Lines of another child follow, which counts from `origin_seconds` of the item; what is open ends there."""
        self._origin = origin_seconds
        for one in self._stretches:
            if one.until is None:
                one.until = origin_seconds

    def take(self, line: str) -> bool:
        """Whether the line was one of the detectors': then it needs no logging."""
        mark = _MARK.match(line)
        if mark is None:
            return _TIME.match(line) is not None or line.startswith("lavfi.")
        name, value = _NAMES[mark[1]], float(mark[3]) + self._origin
        last = next((one for one in reversed(self._stretches) if one.fault == name), None)
        if mark[2] == "end":
            if last is not None and last.until is None:
                last.until = value
        elif last is None or last.over or (last.until is not None and value - last.until > _SAME_SECONDS):
            self._stretches.append(_Stretch(fault=name, since=value))
        else:
            last.until = None
        return True

    def expect(self, spans: Sequence[FaultSpan]) -> None:
        """What was found when the copy that plays now was made."""
        self._stretches = [_Stretch(fault=one.fault, since=one.since_seconds, until=one.until_seconds) for one in spans]

    def spans(self, end_seconds: float) -> tuple[FaultSpan, ...]:
        """All that was found in an item that ended at `end_seconds`, for its copy."""
        return tuple(
            FaultSpan(
                fault=one.fault,
                since_seconds=one.since,
                until_seconds=end_seconds if one.until is None else one.until,
            )
            for one in self._stretches
            if one.lasts(end_seconds)
        )

    def due(self, played_seconds: float) -> list[Fault]:
        """What has become true, or has ceased to be, by `played_seconds` of the item; each is given once."""
        faults = []
        for one in [one for one in self._stretches if not one.over]:
            if not one.told and one.lasts(played_seconds):
                one.told = True
                faults.append(Fault(fault=one.fault, active=True, at_seconds=one.since))
            if one.until is not None and one.until <= played_seconds:
                one.over = True
                if one.told:
                    faults.append(Fault(fault=one.fault, active=False, at_seconds=one.until))
        return faults

    @property
    def pending(self) -> bool:
        """Whether anything is left to be told of what is known."""
        return any(not one.over for one in self._stretches)
