"""Decides what of all that happens is worth a message; pure, in whatever time it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.events import (
    DegradedChanged,
    Event,
    OutputChanged,
    SegmentStarted,
    SessionRenewed,
    SlateReason,
    SourceLevel,
    UpdateFailed,
)
from tg_video_streamer.monitoring.alerts.alert_state import AlertState
from tg_video_streamer.monitoring.alerts.message import Kind, Message, duration_text
from tg_video_streamer.telegram.session.renewal_command import RENEW, RENEW_SPARE

DOCTOR_COMMAND = "tg-video-streamer doctor"
_WISHES = frozenset({SlateReason.PAUSED, SlateReason.OPERATOR, SlateReason.SCHEDULED})
"""The slate's own words where the operator, or the schedule, wants it."""
_SLATE_COMMANDS = {
    "playlist_empty": "the playlist has nothing to play; write something into it, and run: tg-video-streamer check"
}
_OUTPUTS_AT_MOST = 100


@dataclass(kw_only=True, slots=True)
class _Trouble:
    """A spell with the words for it."""

    topic: str
    kind: Kind
    spell: AlertState
    bad_text: Callable[[float], str]
    """Given the seconds so far."""
    well_text: Callable[[float], str]

    def messages(self, now: float) -> list[Message]:
        """What is to be told at `now`."""
        if self.spell.became_known(now):
            return [Message(topic=self.topic, kind=self.kind, text=self.bad_text(self.spell.seconds(now)))]
        lasted = self.spell.settled(now)
        if lasted is None:
            return []
        return [Message(topic=self.topic, kind=Kind.SUCCESS, text=self.well_text(lasted))]


class AlertEvaluator:
    """Hears every event and says what to tell: trouble that lasts, its end, and what happens once and matters.

    The slate counts where it is up by a failure and not by a wish or the schedule, an output from when it leaves the air
    until it is back, degraded mode from its beginning; each is told after `after_seconds` of it, and its end only where
    its beginning was told.
    """

    def __init__(self, *, after_seconds: float) -> None:
        """`after_seconds` is NOTIFY_AFTER_SECONDS."""
        self._after_seconds = after_seconds
        self._slate_word = ""
        self._title = ""
        self._degraded = DegradedChanged(wall=0.0, active=False)
        self._errors: dict[str, str] = {}
        self._outputs: dict[str, _Trouble] = {}
        self._slate = self._trouble("slate", Kind.WARNING, self._slate_text, self._slate_over_text)
        self._session = self._trouble("degraded", Kind.FAILURE, self._degraded_text, self._recovered_text)

    def heard(self, event: Event, now: float) -> list[Message]:
        """What to tell at once because of `event`; what must last first comes from `due`."""
        match event:
            case SegmentStarted():
                self._went_on(event, now)
            case OutputChanged():
                self._output_changed(event, now)
            case DegradedChanged():
                if event.active:
                    self._degraded = event
                    self._session.spell.begin(now)
                else:
                    self._session.spell.end(now)
            case SessionRenewed(by_spare=True):
                text = f"the Telegram session has ended and the spare took its place; make a new spare: {RENEW_SPARE}"
                return [Message(topic="spare", kind=Kind.WARNING, text=text), *self.due(now)]
            case UpdateFailed():
                what = f"the update of {event.program} failed, the old one stays in use: {event.detail}"
                text = f"{what}; run: {event.command or DOCTOR_COMMAND}"
                return [Message(topic=f"update {event.program}", kind=Kind.WARNING, text=text), *self.due(now)]
            case _:
                pass
        return self.due(now)

    def due(self, now: float) -> list[Message]:
        """What has lasted long enough by `now`, or is over for long enough."""
        return [message for trouble in self._troubles() for message in trouble.messages(now)]

    def next_due(self) -> float | None:
        """When to ask `due` again if nothing happens; None for never."""
        times = [due for trouble in self._troubles() if (due := trouble.spell.due()) is not None]
        return min(times, default=None)

    def _troubles(self) -> list[_Trouble]:
        return [self._session, self._slate, *self._outputs.values()]

    def _trouble(
        self, topic: str, kind: Kind, bad_text: Callable[[float], str], well_text: Callable[[float], str]
    ) -> _Trouble:
        spell = AlertState(after_seconds=self._after_seconds)
        return _Trouble(topic=topic, kind=kind, spell=spell, bad_text=bad_text, well_text=well_text)

    # The program

    def _went_on(self, event: SegmentStarted, now: float) -> None:
        self._title = event.content.title
        if event.content.level is not SourceLevel.SLATE:
            self._slate.spell.end(now)
        elif event.content.slate_reason in _WISHES:
            # The operator knows; what was told before needs no message that it is over either.
            self._slate.spell.forget()
        else:
            self._slate_word = event.content.slate_reason or event.reason
            self._slate.spell.begin(now)

    def _slate_text(self, seconds: float) -> str:
        why = _SLATE_COMMANDS.get(self._slate_word, f"no item can be played; run: {DOCTOR_COMMAND}")
        return f"viewers have seen the slate for {duration_text(seconds)}: {why}"

    def _slate_over_text(self, seconds: float) -> str:
        return f"the program is back after {duration_text(seconds)} of slate: {self._title or 'without a title'}"

    # Outputs

    def _output_changed(self, event: OutputChanged, now: float) -> None:
        trouble = self._outputs.get(event.output)
        if trouble is None:
            if len(self._outputs) >= _OUTPUTS_AT_MOST:
                return
            trouble = self._outputs[event.output] = self._output_trouble(event.output)
        if event.error:
            self._errors[event.output] = event.error
        if event.state == "on_air":
            trouble.spell.end(now)
        elif event.state in {"suspended", "stopped"}:
            # The one is told as degraded mode, the other is the operator's wish.
            trouble.spell.forget()
        else:
            trouble.spell.begin(now)

    def _output_trouble(self, name: str) -> _Trouble:
        def bad_text(seconds: float) -> str:
            error = self._errors.get(name) or "no connection"
            what = f"output {name} has been down for {duration_text(seconds)} and is tried again: {error}"
            return f"{what}; run: {DOCTOR_COMMAND}"

        def well_text(seconds: float) -> str:
            return f"output {name} is back on air after {duration_text(seconds)}"

        return self._trouble(f"output {name}", Kind.FAILURE, bad_text, well_text)

    # The session

    def _degraded_text(self, seconds: float) -> str:
        ending = f" ({self._degraded.ending})" if self._degraded.ending else ""
        command = self._degraded.command or RENEW
        return f"degraded mode for {duration_text(seconds)}: SESSION_STRING is invalid{ending}; run: {command}"

    def _recovered_text(self, seconds: float) -> str:
        return f"recovered from degraded mode after {duration_text(seconds)}: the Telegram session works again"
