"""What the doctor says about one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a thing is; only a problem keeps the channel from working, or will soon."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing: `about` is a word or two, `text` what was found, `remedy` what to do, empty where nothing is."""

    about: str
    verdict: Verdict
    text: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """The whole finding in one line, for a terminal or a log."""
        said = f"{self.text}; {self.remedy}" if self.remedy else self.text
        return f"{self.verdict:<8} {self.about}: {' '.join(said.split())}"


def well(about: str, text: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(about=about, verdict=Verdict.OK, text=text)


def doubt(about: str, text: str, remedy: str = "") -> Finding:
    """A warning."""
    return Finding(about=about, verdict=Verdict.WARNING, text=text, remedy=remedy)


def problem(about: str, text: str, remedy: str = "") -> Finding:
    """A thing that does not work."""
    return Finding(about=about, verdict=Verdict.PROBLEM, text=text, remedy=remedy)
