"""Understands what ffmpeg's detectors write to stderr: from when to when the picture is black or frozen, or the sound silent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tg_video_streamer.ffmpeg.filters import FAULT_SECONDS

_MARK = re.compile(r"^lavfi\.(black|freezedetect\.freeze|silence)_(start|end)=(-?[\d.]+)$")
_TIME = re.compile(r"^frame:\d+\s+pts:\S+\s+pts_time:(-?[\d.]+)")
_NAMES = {"black": "black", "freezedetect.freeze": "frozen", "silence": "silent"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """`fault` (black, frozen, silent) is there (`active`) or over, as of `at_seconds` of the item."""

    fault: str
    active: bool
    at_seconds: float


@dataclass(kw_only=True, slots=True)
class FaultWatch:
    """Takes lines of stderr of one stretch, gives the faults that a viewer will have met by a given time."""

    origin_seconds: float = 0.0
    """The item's own time at which the stretch began."""
    _since: dict[str, float] = field(default_factory=dict)
    _until: list[tuple[str, float]] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def take(self, line: str) -> bool:
        """Whether the line was one of the detectors': then it needs no logging."""
        mark = _MARK.match(line)
        if mark is None:
            return _TIME.match(line) is not None or line.startswith("lavfi.")
        name, edge, value = _NAMES[mark[1]], mark[2], float(mark[3]) + self.origin_seconds
        if edge == "start":
            self._since.setdefault(name, value)
        else:
            self._until.append((name, value))
        return True

    def due(self, played_seconds: float) -> list[Fault]:
        """What has become true, or has ceased to be, by `played_seconds` of the item; each is given once."""
        faults = []
        for name, end in list(self._until):
            if end > played_seconds:
                continue
            self._until.remove((name, end))
            since = self._since.pop(name, end)
            if name in self._told:
                self._told.discard(name)
                faults.append(Fault(fault=name, active=False, at_seconds=end))
            elif end - since >= FAULT_SECONDS:
                faults.append(Fault(fault=name, active=True, at_seconds=since))
                faults.append(Fault(fault=name, active=False, at_seconds=end))
        for name, since in self._since.items():
            if name not in self._told and played_seconds - since >= FAULT_SECONDS:
                self._told.add(name)
                faults.append(Fault(fault=name, active=True, at_seconds=since))
        return faults
