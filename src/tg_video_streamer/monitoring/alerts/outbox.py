"""Holds what is to be told until it may leave: no repetition, no flood, a burst summed up in one message; pure."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.monitoring.alerts.message import Kind, Message, plain

COLLECT_SECONDS = 1.0
"""What comes within this of the first is one message: a dead network takes all outputs at once."""
PAUSES = Backoff(first=60.0, longest=900.0)
"""Between two messages; they grow while trouble does not end."""
QUIET_SECONDS = 600.0
"""After so long without a message the pauses begin anew."""
REPEAT_SECONDS = 24 * 3600.0
"""The same words on the same topic are not repeated sooner."""
_WAITING_AT_MOST = 40
_LINES_AT_MOST = 12
_ORDER = (Kind.INFO, Kind.SUCCESS, Kind.WARNING, Kind.FAILURE)
_TOPICS_REMEMBERED = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What leaves at once; `kind` is the gravest of its lines'."""

    kind: Kind
    text: str
    count: int


@dataclass(kw_only=True, slots=True)
class _Waiting:
    message: Message
    times: int = 1

    @property
    def line(self) -> str:
        return self.message.text if self.times == 1 else f"{self.message.text} ({self.times} times)"


class Outbox:
    """A bounded queue with the rules of politeness; all times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, Kind], _Waiting] = {}
        self._lost = 0
        self._last: dict[str, tuple[str, float]] = {}
        self._first_at = 0.0
        self._free_at = float("-inf")
        self._sent_at = float("-inf")
        self._row = 0

    def put(self, message: Message, now: float) -> None:
        """Take a message; one that says what was said on its topic last, within a day, is dropped."""
        text = plain(message.text)
        said = self._last.get(message.topic)
        if said is not None and said[0] == text and now - said[1] < REPEAT_SECONDS:
            return
        self._remember(message.topic, text, now)
        if not self._waiting:
            self._first_at = now
        key = (message.topic, message.kind)
        # The newest of a kind says the present truth; it goes to the end, so that the lines stay in order.
        times = 1 + (earlier.times if (earlier := self._waiting.pop(key, None)) is not None else 0)
        if len(self._waiting) >= _WAITING_AT_MOST:
            self._waiting.pop(next(iter(self._waiting)))
            self._lost += 1
        fresh = Message(topic=message.topic, kind=message.kind, text=text)
        self._waiting[key] = _Waiting(message=fresh, times=times)

    def next_due(self) -> float | None:
        """When `take` will have something if nothing more comes; None for never."""
        return max(self._free_at, self._first_at + COLLECT_SECONDS) if self._waiting else None

    def take(self, now: float) -> Batch | None:
        """Everything that waits, as one message, where one may leave now."""
        due = self.next_due()
        if due is None or now < due:
            return None
        waiting, self._waiting = list(self._waiting.values()), {}
        lost, self._lost = self._lost, 0
        self._row = 1 if now - self._sent_at > QUIET_SECONDS + PAUSES.pause(self._row) else self._row + 1
        self._sent_at = now
        self._free_at = now + PAUSES.pause(self._row)
        kind = max((one.message.kind for one in waiting), key=_ORDER.index)
        return Batch(kind=kind, text=_summed_up([one.line for one in waiting], lost), count=len(waiting) + lost)

    def _remember(self, topic: str, text: str, now: float) -> None:
        self._last.pop(topic, None)
        self._last[topic] = (text, now)
        if len(self._last) > _TOPICS_REMEMBERED:
            self._last.pop(next(iter(self._last)))


def _summed_up(lines: list[str], lost: int) -> str:
    if len(lines) == 1 and not lost:
        return lines[0]
    shown = lines[-_LINES_AT_MOST:]
    left_out = lost + len(lines) - len(shown)
    rows = [f"- {line}" for line in shown]
    if left_out:
        rows.append(f"- and {left_out} more before these; see the log")
    return "\n".join([f"{left_out + len(shown)} things have happened:", *rows])
