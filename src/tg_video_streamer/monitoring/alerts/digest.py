"""Collects alerts into digests: no repetition, no flood, one digest for a burst; pure."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.monitoring.alerts.alert import Severity

COLLECT_SECONDS = 1.0
"""Alerts within this time of the first go into one digest: a dead network takes all outputs at once."""
PAUSES = Backoff(first=60.0, longest=900.0)
"""Between two digests; they grow while alerts keep coming."""
QUIET_SECONDS = 600.0
"""Without a digest for this long the pauses start over."""
REPEAT_SECONDS = 24 * 3600.0
"""The same text on the same topic is not repeated sooner."""
_MAX_PENDING = 40
_MAX_LINES = 12
_SEVERITIES = tuple(Severity)
_MAX_TOPICS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """The alerts that leave together; `severity` is the highest of them."""

    severity: Severity
    text: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    severity: Severity
    text: str
    times: int


class DigestQueue:
    """A bounded queue of alert texts; all times are seconds of one monotonic clock."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._pending: dict[tuple[str, Severity], _Pending] = {}
        self._dropped = 0
        self._last: dict[str, tuple[str, float]] = {}
        self._first_at = 0.0
        self._free_at = float("-inf")
        self._sent_at = float("-inf")
        self._in_row = 0

    def put(self, topic: str, severity: Severity, text: str, now: float) -> None:
        """Queue an alert; one that repeats the last text on its topic within a day is dropped."""
        last = self._last.pop(topic, None)
        repeated = last is not None and last[0] == text and now - last[1] < REPEAT_SECONDS
        self._last[topic] = last if last is not None and repeated else (text, now)
        if repeated:
            return
        if len(self._last) > _MAX_TOPICS:
            self._last.pop(next(iter(self._last)))
        if not self._pending:
            self._first_at = now
        # The newest replaces an earlier one, and goes to the end: lines stay in the order of time.
        earlier = self._pending.pop((topic, severity), None)
        if len(self._pending) >= _MAX_PENDING:
            self._pending.pop(next(iter(self._pending)))
            self._dropped += 1
        times = 1 + (earlier.times if earlier is not None else 0)
        self._pending[topic, severity] = _Pending(severity=severity, text=text, times=times)

    def next_digest(self) -> float | None:
        """When `take` returns a digest if no alert comes; None for never."""
        return max(self._free_at, self._first_at + COLLECT_SECONDS) if self._pending else None

    def take(self, now: float) -> Digest | None:
        """All pending alerts as one digest, where one may leave now."""
        at = self.next_digest()
        if at is None or now < at:
            return None
        pending, self._pending = list(self._pending.values()), {}
        dropped, self._dropped = self._dropped, 0
        quiet = now - self._sent_at > QUIET_SECONDS + PAUSES.pause(self._in_row)
        self._in_row = 1 if quiet else self._in_row + 1
        self._sent_at = now
        self._free_at = now + PAUSES.pause(self._in_row)
        severity = max((one.severity for one in pending), key=_SEVERITIES.index)
        return Digest(severity=severity, text=self._text(pending, dropped), count=len(pending) + dropped)

    def _text(self, pending: list[_Pending], dropped: int) -> str:
        text = self._translator.text
        lines = [
            one.text if one.times == 1 else text("alert.repeated", text=one.text, times=one.times) for one in pending
        ]
        if len(lines) == 1 and not dropped:
            return lines[0]
        shown = lines[-_MAX_LINES:]
        left_out = dropped + len(lines) - len(shown)
        rows = [text("alert.digest", count=left_out + len(shown)), *(f"- {line}" for line in shown)]
        if left_out:
            rows.append(text("alert.digest.left_out", count=left_out))
        return "\n".join(rows)
