"""Renders texts, numbers, times, sizes and rates in a language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from tg_video_streamer.locales.language import Language

_SPANS = (("day", "hour", 86_400, 3_600), ("hour", "minute", 3_600, 60), ("minute", "second", 60, 1))
_SIZES = ("megabyte", "gigabyte", "terabyte")
_FIXED_DIGITS = re.compile(r"\.\d+f")


def render(language: Language, key: str, values: Mapping[str, Any]) -> str:
    """The text of `key` with `values` put in. Raises KeyError for an unknown key or a missing value.

    A placeholder formats its value as its suffix says: `:span`, `:clock`, `:size`, `:rate`, a fixed number of digits such
    as `:.1f`, or `:plural:entry|entries` for the word that fits a count.
    """
    return _TextFormatter(language).vformat(language.texts[key], (), values)


def number_text(value: float, language: Language, digits: int = 0) -> str:
    """A number with `digits` behind the decimal sign."""
    return f"{value:.{digits}f}".replace(".", language.decimal_sign)


def clock_text(seconds: float) -> str:
    """A position or length as 0:07, 12:34 or 1:02:03."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def span_text(seconds: float, language: Language) -> str:
    """A length of time in its two largest units: 45 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    whole = max(0, int(seconds))
    for large, small, size, part in _SPANS:
        if whole >= size:
            rest = whole % size // part
            most = f"{whole // size} {language.texts[f'unit.{large}']}"
            return f"{most} {rest} {language.texts[f'unit.{small}']}" if rest else most
    return f"{whole} {language.texts['unit.second']}"


def rate_text(bits_per_second: float, language: Language) -> str:
    """A bit rate as 950 kbit/s or 2.6 Mbit/s."""
    if bits_per_second >= 1_000_000:
        return f"{number_text(bits_per_second / 1_000_000, language, 1)} {language.texts['unit.megabit']}"
    return f"{number_text(bits_per_second / 1000, language)} {language.texts['unit.kilobit']}"


def size_text(size_bytes: float, language: Language) -> str:
    """An amount of data as 12 kB, 3.4 MB, 1.2 GB or 5.6 TB."""
    if size_bytes < 1_000_000:
        return f"{number_text(size_bytes / 1000, language)} {language.texts['unit.kilobyte']}"
    size = size_bytes / 1_000_000
    for unit in _SIZES[:-1]:
        if size < 1000:
            return f"{number_text(size, language, 1)} {language.texts[f'unit.{unit}']}"
        size /= 1000
    return f"{number_text(size, language, 1)} {language.texts[f'unit.{_SIZES[-1]}']}"


class _TextFormatter(Formatter):
    """str.format with the suffixes that `render` names."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        """See string.Formatter."""
        name, _, forms = format_spec.partition(":")
        if name == "plural":
            return forms.split("|")[self._language.plural(int(value))]
        if name == "clock":
            return clock_text(value)
        if (text_of := {"span": span_text, "size": size_text, "rate": rate_text}.get(name)) is not None:
            return text_of(value, self._language)
        text = str(super().format_field(value, format_spec))
        return text.replace(".", self._language.decimal_sign) if _FIXED_DIGITS.fullmatch(format_spec) else text
