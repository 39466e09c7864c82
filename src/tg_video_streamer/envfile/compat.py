"""Compares our reading of a `.env` with that of systemd's EnvironmentFile= and docker's --env-file.

Sources: systemd's src/basic/env-file.c (`parse_env_file_internal`), whose rules systemd.exec(5) tells in words; docker's
`ParseEnvFile`, which takes everything behind the first equals sign as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path

from tg_video_streamer.envfile.read import parse_env

_BLANKS = " \t\n\r"
_LINE_ENDS = "\n\r"
_ESCAPABLE = '"\\`$'
_KEY_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class _Where(Enum):
    BEFORE_KEY = auto()
    KEY = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    VALUE_ESCAPE = auto()
    SINGLE = auto()
    DOUBLE = auto()
    DOUBLE_ESCAPE = auto()
    COMMENT = auto()
    COMMENT_ESCAPE = auto()


class _SystemdReader:
    """One pass over the text, a letter at a time, as systemd makes it."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._where = _Where.BEFORE_KEY
        self._key = ""
        self._value = ""
        self._kept = 0
        """How much of the value stays when its blanks at the end go: what was quoted or escaped does."""
        self._steps = {
            _Where.BEFORE_KEY: self._before_key,
            _Where.KEY: self._in_key,
            _Where.BEFORE_VALUE: self._before_value,
            _Where.VALUE: self._in_value,
            _Where.VALUE_ESCAPE: self._value_escape,
            _Where.SINGLE: self._single,
            _Where.DOUBLE: self._double,
            _Where.DOUBLE_ESCAPE: self._double_escape,
            _Where.COMMENT: self._comment,
            _Where.COMMENT_ESCAPE: self._comment_escape,
        }

    def read(self, text: str) -> dict[str, str]:
        """The values by key."""
        for letter in text:
            self._steps[self._where](letter)
        if self._where in {_Where.BEFORE_VALUE, _Where.VALUE, _Where.VALUE_ESCAPE}:
            self._finish()
        elif self._where in {_Where.SINGLE, _Where.DOUBLE, _Where.DOUBLE_ESCAPE}:
            self._kept = len(self._value)
            self._finish()
        return self.values

    def _finish(self) -> None:
        key = self._key.rstrip(_BLANKS)
        value = self._value[: self._kept] + self._value[self._kept :].rstrip(_BLANKS)
        if key and set(key) <= _KEY_LETTERS and not key[0].isdigit():
            self.values[key] = value
        self._key = self._value = ""
        self._kept = 0
        self._where = _Where.BEFORE_KEY

    def _before_key(self, letter: str) -> None:
        if letter in "#;":
            self._where = _Where.COMMENT
        elif letter not in _BLANKS:
            self._where = _Where.KEY
            self._key = letter

    def _in_key(self, letter: str) -> None:
        if letter in _LINE_ENDS:
            self._where = _Where.BEFORE_KEY
        elif letter == "=":
            self._where = _Where.BEFORE_VALUE
        else:
            self._key += letter

    def _before_value(self, letter: str) -> None:
        if letter in _LINE_ENDS:
            self._finish()
        elif letter == "'":
            self._where = _Where.SINGLE
        elif letter == '"':
            self._where = _Where.DOUBLE
        elif letter == "\\":
            self._where = _Where.VALUE_ESCAPE
        elif letter not in _BLANKS:
            self._where = _Where.VALUE
            self._value += letter

    def _in_value(self, letter: str) -> None:
        if letter in _LINE_ENDS:
            self._finish()
        elif letter == "\\":
            self._where = _Where.VALUE_ESCAPE
            self._kept = len(self._value)
        else:
            self._value += letter

    def _value_escape(self, letter: str) -> None:
        self._where = _Where.VALUE
        if letter not in _LINE_ENDS:
            self._value += letter
            self._kept = len(self._value)

    def _single(self, letter: str) -> None:
        self._quoted(letter, "'")

    def _double(self, letter: str) -> None:
        if letter == "\\":
            self._where = _Where.DOUBLE_ESCAPE
        else:
            self._quoted(letter, '"')

    def _quoted(self, letter: str, quote: str) -> None:
        if letter == quote:
            self._where = _Where.BEFORE_VALUE
            self._kept = len(self._value)
        else:
            self._value += letter

    def _double_escape(self, letter: str) -> None:
        self._where = _Where.DOUBLE
        if letter in _ESCAPABLE:
            self._value += letter
        elif letter != "\n":
            self._value += f"\\{letter}"

    def _comment(self, letter: str) -> None:
        if letter == "\\":
            self._where = _Where.COMMENT_ESCAPE
        elif letter in _LINE_ENDS:
            self._where = _Where.BEFORE_KEY

    def _comment_escape(self, _letter: str) -> None:
        self._where = _Where.COMMENT


def systemd_values(text: str) -> dict[str, str]:
    """What systemd passes to a service; of two lines with one key the last counts."""
    return _SystemdReader().read(text)


def docker_values(text: str) -> dict[str, str]:
    """What docker passes to a container; a line that makes docker refuse the whole file is left out."""
    values = {}
    for row in text.removeprefix("\ufeff").split("\n"):
        line = row.removesuffix("\r").lstrip()
        key, equals, value = line.partition("=")
        if equals and key and not line.startswith("#") and not any(letter.isspace() for letter in key):
            values[key] = value
    return values


def read_differently(text: str, keys: Iterable[str], *, name: str = ".env") -> list[str]:
    """One line for each of `keys` that systemd or docker reads differently; no value is repeated."""
    ours = parse_env(text)
    systemd, docker = systemd_values(text), docker_values(text)
    found = []
    for key in keys:
        if key not in ours.values:
            continue
        others = [
            reader
            for reader, values in (("systemd's EnvironmentFile=", systemd), ("docker's --env-file", docker))
            if values.get(key) != ours.values[key]
        ]
        if others:
            where = f"{name}, line {ours.lines[key]}"
            remedy = "write it bare: no quotes, no backslashes, no blanks around it, no comment or 'export' on its line"
            found.append(f"{where}: {key} is read differently by {' and '.join(others)}; {remedy}")
    return found


def file_read_differently(path: Path | None, keys: Iterable[str]) -> list[str]:
    """The same for a file that was read without an error; empty for None."""
    if path is None:
        return []
    return read_differently(path.read_text(encoding="utf-8"), keys, name=str(path))
