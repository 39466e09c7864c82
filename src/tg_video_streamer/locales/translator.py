"""Renders messages in one of the languages that this package has a module for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pkgutil import iter_modules

from tg_video_streamer import locales
from tg_video_streamer.locales.format import number_text, rate_text, render, size_text, span_text
from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.message import Message

LANGUAGES: Mapping[str, Language] = {
    name: import_module(f"{locales.__name__}.{name}").LANGUAGE
    for _, name, _ in iter_modules(locales.__path__)
    if len(name) == 2
}
"""By code: each module of this package with a name of two letters."""
ENGLISH = LANGUAGES["en"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Translator:
    """The texts of one language; a call gives them escaped for HTML, the methods give plain text."""

    language: Language = ENGLISH

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of `key` with `values`, escaped for HTML. Raises KeyError for a key that no table has."""
        return escape(self.text(key, **values))

    def text(self, key: str, /, **values: object) -> str:
        """The same as plain text."""
        return render(self.language, key, {name: self._translated(value) for name, value in values.items()})

    def message(self, message: Message) -> str:
        """A message, escaped for HTML; in English where this version does not know its key."""
        return escape(self.message_text(message))

    def message_text(self, message: Message) -> str:
        """The same as plain text."""
        return self.text(message.key, **message.values) if self.has(message.key) else message.text

    def has(self, key: str) -> bool:
        """Whether the tables have `key`."""
        return key in self.language.texts

    def state(self, kind: str, state: str) -> str:
        """The name, escaped, of a state such as `on_air` of its `kind`; an unknown state keeps its own name."""
        return escape(self.state_text(kind, state))

    def state_text(self, kind: str, state: str) -> str:
        """The same as plain text."""
        key = f"{kind}.{state}"
        return self.text(key) if self.has(key) else state.replace("_", " ")

    def number(self, value: float, digits: int = 0) -> str:
        """A number with `digits` behind the decimal sign."""
        return number_text(value, self.language, digits)

    def span(self, seconds: float) -> str:
        """A length of time as 3 min 5 s."""
        return span_text(seconds, self.language)

    def rate(self, bits_per_second: float) -> str:
        """A bit rate as 2.6 Mbit/s."""
        return rate_text(bits_per_second, self.language)

    def size(self, size_bytes: float) -> str:
        """An amount of data as 3.4 MB."""
        return size_text(size_bytes, self.language)

    def _translated(self, value: object) -> object:
        return self.message_text(value) if isinstance(value, Message) else value


def environment_language(environment: Mapping[str, str]) -> Language:
    """The language of a terminal: the first that is set of LC_ALL, LC_MESSAGES and LANG (locale(7)), else English."""
    chosen = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return LANGUAGES.get(chosen[:2].lower(), ENGLISH)
