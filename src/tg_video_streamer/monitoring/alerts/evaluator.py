"""Turns events into alerts: raised when a problem lasts, resolved when it is over; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.events import (
    DegradedChanged,
    Event,
    OutputChanged,
    PartChanged,
    SegmentStarted,
    SessionRenewed,
    SlateReason,
    SourceLevel,
    UpdateFailed,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.monitoring.alerts.alert import Alert, Severity
from tg_video_streamer.telegram.session.renewal_command import RENEW, RENEW_SPARE

COOLDOWN_SECONDS = 5.0
"""A problem that returns within this time never ended: the same alert continues."""

_DOCTOR = "tg-video-streamer doctor"
_INTENDED = frozenset({SlateReason.PAUSED, SlateReason.OPERATOR, SlateReason.SCHEDULED})
"""The slate is on air because the operator or the schedule asked for it."""
_MAX_OUTPUTS = 100


@dataclass(kw_only=True, slots=True)
class _Rule:
    """One alert, with the texts for its duration in seconds."""

    topic: str
    severity: Severity
    state: AlertState
    raised: Callable[[float], Message]
    resolved: Callable[[float], Message]

    def evaluate(self, now: float) -> list[Alert]:
        if self.state.raise_at(now):
            message = self.raised(self.state.duration(now))
            return [Alert(topic=self.topic, severity=self.severity, message=message)]
        duration = self.state.resolve_at(now)
        if duration is None:
            return []
        return [Alert(topic=self.topic, severity=Severity.SUCCESS, message=self.resolved(duration))]


class AlertEvaluator:
    """Evaluates the alerts on slate, outputs and session after each event and after each `next_evaluation`.

    The slate counts where a failure put it on air, an output while it is off air, degraded mode from its start. Each alert
    is raised after `after_seconds`; only a raised one is resolved.
    """

    def __init__(self, *, after_seconds: float) -> None:
        """`after_seconds` is NOTIFY_AFTER_SECONDS."""
        self._after_seconds = after_seconds
        self._slate_reason: SlateReason | None = None
        self._title = ""
        self._degraded = DegradedChanged(wall=0.0, active=False)
        self._errors: dict[str, Message] = {}
        self._outputs: dict[str, _Rule] = {}
        self._slate = self._rule("slate", Severity.WARNING, self._slate_raised, self._slate_resolved)
        self._session = self._rule("degraded", Severity.FAILURE, self._degraded_raised, self._degraded_resolved)

    def on_event(self, event: Event, now: float) -> list[Alert]:
        """The alerts to send at once because of `event`."""
        alerts = []
        match event:
            case SegmentStarted():
                self._segment_started(event, now)
            case OutputChanged():
                self._output_changed(event, now)
            case DegradedChanged(active=True):
                self._degraded = event
                self._session.state.start(now)
            case DegradedChanged():
                self._session.state.end(now)
            case SessionRenewed(by_spare=True):
                message = Message.of("alert.spare.promoted", command=RENEW_SPARE)
                alerts = [Alert(topic="spare", severity=Severity.WARNING, message=message)]
            case UpdateFailed():
                message = Message.of(
                    "alert.update.failed",
                    program=event.program,
                    detail=event.detail,
                    command=event.command or _DOCTOR,
                )
                alerts = [Alert(topic=f"update {event.program}", severity=Severity.WARNING, message=message)]
            case PartChanged():
                alerts = [_part_alert(event)]
            case _:
                pass
        return [*alerts, *self.evaluate(now)]

    def evaluate(self, now: float) -> list[Alert]:
        """The alerts that are raised or resolved at `now`."""
        return [alert for rule in self._rules() for alert in rule.evaluate(now)]

    def next_evaluation(self) -> float | None:
        """When to call `evaluate` again if no event comes; None for never."""
        return min((at for rule in self._rules() if (at := rule.state.next_change()) is not None), default=None)

    def _rules(self) -> list[_Rule]:
        return [self._session, self._slate, *self._outputs.values()]

    def _rule(
        self, topic: str, severity: Severity, raised: Callable[[float], Message], resolved: Callable[[float], Message]
    ) -> _Rule:
        state = AlertState(after_seconds=self._after_seconds)
        return _Rule(topic=topic, severity=severity, state=state, raised=raised, resolved=resolved)

    # The slate

    def _segment_started(self, event: SegmentStarted, now: float) -> None:
        self._title = event.content.title
        if event.content.level is not SourceLevel.SLATE:
            self._slate.state.end(now)
        elif event.content.slate_reason in _INTENDED:
            self._slate.state.reset()
        else:
            self._slate_reason = event.content.slate_reason
            self._slate.state.start(now)

    def _slate_raised(self, seconds: float) -> Message:
        empty = self._slate_reason is SlateReason.PLAYLIST_EMPTY
        return Message.of("alert.slate.playlist_empty" if empty else "alert.slate.no_item", duration=seconds)

    def _slate_resolved(self, seconds: float) -> Message:
        title = self._title or Message.of("alert.untitled")
        return Message.of("alert.slate.resolved", duration=seconds, title=title)

    # Outputs

    def _output_changed(self, event: OutputChanged, now: float) -> None:
        rule = self._outputs.get(event.output)
        if rule is None:
            if len(self._outputs) >= _MAX_OUTPUTS:
                return
            rule = self._outputs[event.output] = self._output_rule(event.output)
        if event.error:
            self._errors[event.output] = event.error
        if event.state == "on_air":
            rule.state.end(now)
        elif event.state in {"suspended", "stopped"}:
            # Degraded mode has its own alert, and a stop is the operator's.
            rule.state.reset()
        else:
            rule.state.start(now)

    def _output_rule(self, name: str) -> _Rule:
        def raised(seconds: float) -> Message:
            error = self._errors.get(name) or Message.of("alert.output.no_connection")
            return Message.of("alert.output", output=name, duration=seconds, error=error)

        def resolved(seconds: float) -> Message:
            return Message.of("alert.output.resolved", output=name, duration=seconds)

        return self._rule(f"output {name}", Severity.FAILURE, raised, resolved)

    # The session

    def _degraded_raised(self, seconds: float) -> Message:
        event = self._degraded
        return Message.of("alert.degraded", duration=seconds, ending=event.ending, command=event.command or RENEW)

    def _degraded_resolved(self, seconds: float) -> Message:
        return Message.of("alert.degraded.resolved", duration=seconds)


def _part_alert(event: PartChanged) -> Alert:
    """A part that fails again and again has been watched for minutes already: it is told at once."""
    topic = f"part {event.part}"
    if not event.unstable:
        message = Message.of("alert.part.resolved", part=event.part)
        return Alert(topic=topic, severity=Severity.SUCCESS, message=message)
    message = Message.of("alert.part", part=event.part, count=event.restarts, error=event.error)
    return Alert(topic=topic, severity=Severity.WARNING, message=message)


@dataclass(kw_only=True, slots=True)
class AlertState:
    """The state of one alert. Only time with the problem counts; all times are seconds of one monotonic clock.

    ```
    ok ──start──► active ──end──► cooldown ──COOLDOWN_SECONDS──► ok
                     ▲                │
                     └─────start──────┘
    ```
    """

    after_seconds: float
    """How long the problem must last before the alert is raised."""
    raised: bool = False
    active_since: float | None = None
    ended_at: float | None = None
    """The start of the cooldown."""
    earlier_seconds: float = 0.0
    """How long the problem lasted before `active_since`, as part of the same alert."""

    def start(self, now: float) -> None:
        """The problem is there; a repetition changes nothing."""
        if self.active_since is None:
            self.active_since, self.ended_at = now, None

    def end(self, now: float) -> None:
        """The problem is gone."""
        if self.active_since is not None:
            self.earlier_seconds += now - self.active_since
            self.active_since, self.ended_at = None, now

    def reset(self) -> None:
        """Forget the alert without resolving it, as when the operator has stopped what had the problem."""
        self.raised, self.active_since, self.ended_at, self.earlier_seconds = False, None, None, 0.0

    def duration(self, now: float) -> float:
        """How long the problem has lasted, in seconds."""
        return self.earlier_seconds + (0.0 if self.active_since is None else now - self.active_since)

    def next_change(self) -> float | None:
        """When to call `raise_at` or `resolve_at` again; None where time alone changes nothing."""
        if self.active_since is not None:
            return None if self.raised else self.active_since + max(0.0, self.after_seconds - self.earlier_seconds)
        return None if self.ended_at is None else self.ended_at + COOLDOWN_SECONDS

    def raise_at(self, now: float) -> bool:
        """Raise the alert; True once, when the problem has lasted for `after_seconds`."""
        change = self.next_change()
        if self.active_since is None or change is None or now < change:
            return False
        self.raised = True
        return True

    def resolve_at(self, now: float) -> float | None:
        """Resolve the alert after its cooldown; the problem's duration where the alert was raised, else None."""
        change = self.next_change()
        if self.active_since is not None or change is None or now < change:
            return None
        duration = self.earlier_seconds if self.raised else None
        self.reset()
        return duration
