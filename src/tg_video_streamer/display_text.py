"""Text from outside as it is shown: names, titles and messages of any bytes become one line that is safe everywhere."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Self

MAX_CHARACTERS = 500
_JOINERS = frozenset("\u200c\u200d")
"""Persian and Hindi are spelled with them, and emoji are joined by them."""
_SPACES = frozenset({"Zl", "Zp", "Zs"})
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cn"})
_SURROGATES = re.compile("[\ud800-\udfff]")
_HIGH = re.compile(rb"[\x80-\xff]")
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_CYRILLIC_SHARE = 0.6
"""In Cyrillic words nearly all letters are high bytes, in Western ones a few."""


class DisplayText(str):
    """One line without control characters, terminal escapes, bidirectional overrides and halves of surrogate pairs.

    Every record that readers see (status, events, messages) holds its texts as this. Making it again changes nothing.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """Bytes that are not UTF-8 (as `os.fsdecode` gives them) are read in the charset that they seem to be in."""
        if type(text) is cls:
            return text
        return super().__new__(cls, _shortened(" ".join(readable(text).split())))

    def __deepcopy__(self, _memo: object) -> Self:
        """Itself, for `dataclasses.asdict`."""
        return self


def show(record: object, *names: str) -> None:
    """Make the texts `names` of a frozen record DisplayText; for its `__post_init__`."""
    for name in names:
        value: Any = getattr(record, name)
        if type(value) is not DisplayText and isinstance(value, str):
            object.__setattr__(record, name, DisplayText(value))


def readable(text: str) -> str:
    """`text` without what no reader must get; line ends stay, other control characters become spaces or go."""
    if text.isprintable():
        return text
    if _SURROGATES.search(text):
        text = _without_surrogates(text)
    return "".join(map(_letter, text))


def one_line(text: str) -> str:
    """The same without line ends, in full length."""
    return readable(text).replace("\n", " ")


def charset_of(data: bytes) -> str:
    """The charset of a line or name that is not UTF-8: that of Cyrillic or of Western Windows."""
    words = [word for word in _WORD.findall(data) if _HIGH.search(word)]
    letters = sum(map(len, words))
    high = sum(len(_HIGH.findall(word)) for word in words)
    return "cp1251" if letters and high / letters >= _CYRILLIC_SHARE else "cp1252"


def decoded(data: bytes) -> str:
    """A line or name as text: UTF-8, or else the charset that it seems to be in."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(charset_of(data), "replace")


def _without_surrogates(text: str) -> str:
    plain = _SURROGATES.sub("", text)
    if plain.isascii():
        try:
            return decoded(text.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            pass  # halves of pairs, which stand for no byte
    return _SURROGATES.sub("\ufffd", text)


def _letter(letter: str) -> str:
    if letter == "\n" or letter in _JOINERS:
        return letter
    category = unicodedata.category(letter)
    if category in _SPACES or letter in "\t\r":
        return " "
    return "" if category in _UNSEEN else letter


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1].rstrip()}…"
