"""Whatever the pages say, in the visitor's language: one table a language, chosen by wish, cookie or browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape

from starlette.requests import Request

from tg_video_streamer.web.locales.en import ENGLISH
from tg_video_streamer.web.locales.ru import RUSSIAN
from tg_video_streamer.web.locales.said_in_russian import SAID

COOKIE = "lang"
COOKIE_SECONDS = 365 * 86_400


class Language(StrEnum):
    """What the pages are written in."""

    ENGLISH = "en"
    RUSSIAN = "ru"


TABLES: Mapping[Language, Mapping[str, str]] = {Language.ENGLISH: ENGLISH, Language.RUSSIAN: RUSSIAN}
CODES = frozenset(map(str, Language))
NAMES: Mapping[Language, str] = {Language.ENGLISH: "English", Language.RUSSIAN: "Русский"}
_SENTENCES = [(re.compile(pattern), said) for pattern, said in SAID.items()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Translator:
    """The words of one language; called, it gives them ready for HTML."""

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        """The words of `key`, escaped for HTML, with `values` put in. Raises KeyError for a key that no table has."""
        return escape(self.text(key, **values))

    def text(self, key: str, **values: object) -> str:
        """The same as plain text."""
        return TABLES[self.language][key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there are words for `key`."""
        return key in TABLES[self.language]

    def state(self, room: str, word: str) -> str:
        """The words, escaped, of a state such as `on_air` in its `room`; one that no table has is told as it is."""
        key = f"{room}.{word}"
        return self(key) if self.has(key) else escape(word.replace("_", " "))

    def said(self, sentence: str) -> str:
        """A sentence of the service's own, escaped, in this language where it is known; else as it was said."""
        if self.language is Language.RUSSIAN:
            for pattern, said in _SENTENCES:
                if (found := pattern.fullmatch(sentence)) is not None:
                    return escape(found.expand(said) if found.groups() else said)
        return escape(sentence)

    def number(self, value: float, digits: int = 0) -> str:
        """A number with that many digits behind the decimal sign."""
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if self.language is Language.RUSSIAN else text


def language_of(request: Request) -> Language:
    """The wish in the address, else the one of before, else the first of the browser's that there is, else English."""
    for wish in (request.query_params.get("lang", ""), request.cookies.get(COOKIE, "")):
        if wish in CODES:
            return Language(wish)
    return _accepted(request.headers.get("accept-language", ""))


def words_of(request: Request) -> Translator:
    """The words for who asks."""
    return Translator(language=language_of(request))


def _accepted(header: str) -> Language:
    """The best language of an Accept-Language header (RFC 9110, 12.5.4); what cannot be read counts as last."""
    wishes = []
    for place, wish in enumerate(header[:500].split(",")):
        name, _, quality = wish.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        code = name.partition("-")[0].lower()
        if code in CODES and weight > 0:
            wishes.append((-weight, place, Language(code)))
    return min(wishes)[2] if wishes else Language.ENGLISH
