"""Reads a `.env` file: strictly, without interpolation, and without repeating a value in any message.

Why not python-dotenv: it drops a line that it cannot read with no more than a log message, and a line that is dropped
is a setting that silently has its default. Here such a line is a problem with its number. Lines are read as shells
read them (` #` begins a comment, `export` is allowed); systemd's `EnvironmentFile=` would keep that comment as part of
the value, which does no harm, because the file beats the environment.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?P<rest>.*)", re.DOTALL)
_DOUBLE_QUOTED = re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'(?P<value>[^']*)'[ \t]*(?:#.*)?")
_ESCAPE = re.compile(r'\\(["\\$`])')
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvFile:
    """What a file says: its values by key (of two lines with one key the last counts), and what is wrong with it."""

    values: dict[str, str] = field(repr=False)
    lines: dict[str, int] = field(repr=False)
    """The number of the line that each value comes from."""
    problems: tuple[str, ...]
    """Lines that cannot be read, each with its number and never with its text, which may be part of a secret."""
    warnings: tuple[str, ...]


class _Unreadable(Exception):
    """A line that is neither blank, comment nor assignment; the message says what is wrong with it."""


def _value(rest: str) -> str:
    """The value behind the equals sign."""
    if rest[:1] in {'"', "'"}:
        quoted = (_DOUBLE_QUOTED if rest[0] == '"' else _SINGLE_QUOTED).fullmatch(rest)
        if quoted is not None:
            value = quoted["value"]
            return _ESCAPE.sub(r"\1", value) if rest[0] == '"' else value
        if rest.count(rest[0]) < 2:
            raise _Unreadable("the quote is not closed on this line")
        raise _Unreadable("something stands behind the closing quote; put the whole value in one pair of quotes")
    return _COMMENT.sub("", rest).rstrip()


def _assignment(line: str) -> tuple[str, str] | None:
    """Key and value of a line; None for a blank line or a comment. Raises _Unreadable."""
    stripped = line.strip(" \t\r")
    if not stripped or stripped.startswith("#"):
        return None
    if _UNPRINTABLE.search(stripped):
        raise _Unreadable("a control character stands in it")
    match = _ASSIGNMENT.fullmatch(stripped)
    if match is None:
        raise _Unreadable("this is no KEY=value")
    return match["key"], _value(match["rest"])


def parse_env(text: str, *, name: str = ".env") -> EnvFile:
    """Read the text of the file `name`; never raises."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    warnings: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        try:
            assignment = _assignment(line)
        except _Unreadable as error:
            problems.append(f"{name}, line {number}: {error}")
            continue
        if assignment is None:
            continue
        key, value = assignment
        if key in lines:
            warnings.append(f"{name}, line {number}: repeats the key of line {lines[key]}; this one counts")
        values[key] = value
        lines[key] = number
    return EnvFile(values=values, lines=lines, problems=tuple(problems), warnings=tuple(warnings))


def read_env_file(path: Path) -> EnvFile:
    """Read a file; a missing or unreadable one is a problem in the result. Never raises."""
    try:
        text = path.read_bytes().decode("utf-8")
        mode = stat.S_IMODE(path.stat().st_mode)
    except UnicodeDecodeError:
        problem = f"{path}: is no UTF-8 text"
    except FileNotFoundError:
        problem = f"{path}: no such file; copy .env.template there and fill it in"
    except OSError as error:
        problem = f"{path}: cannot be read: {error.strerror}"
    else:
        found = parse_env(text, name=str(path))
        if not mode & 0o077:
            return found
        warning = f"{path} can be read by other users of this host (mode {mode:04o}); run: chmod 600 {path}"
        return EnvFile(
            values=found.values, lines=found.lines, problems=found.problems, warnings=(warning, *found.warnings)
        )
    return EnvFile(values={}, lines={}, problems=(problem,), warnings=())
