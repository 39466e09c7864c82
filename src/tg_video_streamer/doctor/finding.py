"""The result of one check: subject, verdict, what was found, and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from tg_video_streamer.errors import StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator

Value = str | float | Message


class Verdict(StrEnum):
    """Only a problem keeps the channel from working, now or soon."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """`about` is a word or two; `remedy` is None where nothing has to be done."""

    about: Message
    verdict: Verdict
    text: Message
    remedy: Message | None = None

    def line(self, words: Translator) -> str:
        """The whole finding in one line, for a terminal or a log."""
        width = max(len(words.state_text("verdict", verdict)) for verdict in Verdict)
        parts = [words.message_text(part) for part in (self.text, self.remedy) if part is not None]
        about = words.message_text(self.about)
        verdict = words.state_text("verdict", self.verdict).lower()
        return f"{verdict:<{width}}  {about}: {' '.join('; '.join(parts).split())}"

    def map_texts(self, change: Callable[[str], str]) -> Finding:
        """The same finding with `change` applied to every text in it, such as to mask secrets."""
        remedy = self.remedy and self.remedy.map_texts(change)
        return replace(self, about=self.about.map_texts(change), text=self.text.map_texts(change), remedy=remedy)


def finding(
    verdict: Verdict, about: str | Message, text: str | Message, remedy: str = "", /, **values: Value
) -> Finding:
    """A finding; `text` and `remedy` are keys for `values`, and `text.remedy` is the remedy where the tables have it."""
    if isinstance(about, str):
        about = Message.find(f"about.{about}") or Message.raw(about)
    advice = None
    if isinstance(text, str):
        advice = Message.of(remedy, **values) if remedy else Message.find(f"{text}.remedy", **values)
        text = Message.of(text, **values)
    return Finding(about=about, verdict=verdict, text=text, remedy=advice if verdict is not Verdict.OK else None)


def well(about: str | Message, text: str | Message, /, **values: Value) -> Finding:
    """A thing that is as it should be."""
    return finding(Verdict.OK, about, text, **values)


def doubt(about: str | Message, text: str | Message, remedy: str = "", /, **values: Value) -> Finding:
    """A warning."""
    return finding(Verdict.WARNING, about, text, remedy, **values)


def problem(about: str | Message, text: str | Message, remedy: str = "", /, **values: Value) -> Finding:
    """A thing that does not work."""
    return finding(Verdict.PROBLEM, about, text, remedy, **values)


def failure(about: str | Message, error: StreamerError) -> Finding:
    """A check that ended with an error."""
    return replace(problem(about, error.message), remedy=error.remedy_message)
