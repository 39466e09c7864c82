"""Moves, removes and inserts lines of a playlist's text; comments and all other lines stay as they are; pure.

A line that is neither empty nor a comment is an entry, also one that cannot play. The `#EXTINF` lines that announce an
entry travel with it; every other line stays at its place among the others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.parser import announced_title

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_OPTION = re.compile(r"\|\s*(?=[A-Za-z_-]+\s*=)")
_TITLE = re.compile(r"\|\s*title\s*=", re.IGNORECASE)
_BACKUP = re.compile(r"\|\s*backup\s*=", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_MAX_NUMBERS = 20_000
AT_END = 0
"""The place after the last entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryLine:
    """One entry: where it is, and what it says."""

    line: int
    """From 1."""
    first: int
    """The line of the first `#EXTINF` that announces it; the same as `line` without one."""
    text: str
    title: str
    """As announced; empty without one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited:
    """The text after an edit, and the lines at which the moved or inserted entries are now."""

    text: str
    lines: tuple[int, ...] = ()


def entry_lines(text: str) -> tuple[EntryLine, ...]:
    """All entries in their order."""
    return tuple(_entries(_lines(text)))


def parse_numbers(text: str) -> tuple[int, ...]:
    """Line numbers written as `3 5-7`. Raises PlaylistError for anything else."""
    numbers: set[int] = set()
    for word in text.replace(",", " ").split():
        found = _RANGE.fullmatch(word)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not 1 <= first <= last or last - first > _MAX_NUMBERS or len(numbers) > _MAX_NUMBERS:
            raise PlaylistError.of("edit.numbers", text=text[:100])
        numbers.update(range(first, last + 1))
    if not numbers:
        raise PlaylistError.of("edit.numbers", text=text[:100])
    return tuple(sorted(numbers))


def format_numbers(numbers: Collection[int]) -> str:
    """The same as `3 5-7`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def move(text: str, chosen: Collection[int], *, before: int) -> Edited:
    """The entries at the lines `chosen`, in their order, directly before the entry at the line `before`, or AT_END.

    Raises PlaylistError where a line has no entry. A move before one of the chosen ones closes them up there.
    """
    lines = _lines(text)
    entries = _entries(lines)
    _require(entries, chosen)
    taken = [one for one in entries if one.line in set(chosen)]
    target = _target(entries, before)
    while target is not None and target.line in set(chosen):
        target = next((one for one in entries if one.line > target.line), None)
    place = target.first if target is not None else _end(lines, entries)
    moved = [line for one in taken for line in lines[one.first - 1 : one.line]]
    gone = {number for one in taken for number in range(one.first, one.line + 1)}
    return _joined(text, lines, gone=gone, place=place, new=moved)


def shift(text: str, chosen: Collection[int], *, down: bool) -> Edited:
    """The chosen entries together one place up or down; at the end of the list they close up.

    Raises PlaylistError where a line has no entry.
    """
    entries = entry_lines(text)
    _require(entries, chosen)
    places = [place for place, one in enumerate(entries) if one.line in set(chosen)]
    if down:
        after = places[-1] + 2
        return move(text, chosen, before=entries[after].line if after < len(entries) else AT_END)
    return move(text, chosen, before=entries[max(0, places[0] - 1)].line)


def remove(text: str, chosen: Collection[int]) -> Edited:
    """The text without these entries and what announces them. Raises PlaylistError where a line has no entry."""
    lines = _lines(text)
    entries = _entries(lines)
    _require(entries, chosen)
    gone = {number for one in entries if one.line in set(chosen) for number in range(one.first, one.line + 1)}
    return _joined(text, lines, gone=gone, place=len(lines) + 1, new=[])


def insert(text: str, new: str, *, before: int) -> Edited:
    """The lines of `new` directly before the entry at the line `before`, or AT_END. Raises PlaylistError as `move`."""
    lines = _lines(text)
    entries = _entries(lines)
    target = _target(entries, before)
    place = target.first if target is not None else _end(lines, entries)
    return _joined(text, lines, gone=set(), place=place, new=_lines(new))


def titled(line: str, title: str) -> str:
    """`line` with a title, before its other options; unchanged where it has one of its own."""
    own = _BACKUP.split(line, maxsplit=1)[0]
    if not title or not line or _TITLE.search(own):
        return line
    found = _OPTION.search(line)
    place = found.start() if found is not None else len(line)
    return f"{line[:place].rstrip()} | title={title} {line[place:]}".rstrip()


def _lines(text: str) -> list[str]:
    """With their ends."""
    return _LINE.findall(text)


def _entries(lines: Sequence[str]) -> list[EntryLine]:
    found: list[EntryLine] = []
    first, title = 0, ""
    for number, raw in enumerate(lines, start=1):
        line = raw.strip(" \t\ufeff\r\n")
        if line.startswith("#EXTINF:"):
            first, title = first or number, announced_title(line)
        elif line and not line.startswith("#"):
            found.append(EntryLine(line=number, first=first or number, text=line, title=title))
            first, title = 0, ""
    return found


def _require(entries: Iterable[EntryLine], chosen: Collection[int]) -> None:
    missing = set(chosen) - {one.line for one in entries}
    if missing or not chosen:
        raise PlaylistError.of("edit.no_entry", line=min(missing, default=0))


def _target(entries: Sequence[EntryLine], before: int) -> EntryLine | None:
    """None for AT_END."""
    if before == AT_END:
        return None
    _require(entries, (before,))
    return next(one for one in entries if one.line == before)


def _end(lines: Sequence[str], entries: Sequence[EntryLine]) -> int:
    """The line after the last entry; what announces no entry stays behind it."""
    if entries:
        return entries[-1].line + 1
    announced = (number for number, line in enumerate(lines, start=1) if line.strip(" \t\ufeff").startswith("#EXTINF:"))
    return next(announced, len(lines) + 1)


def _joined(text: str, lines: Sequence[str], *, gone: Collection[int], place: int, new: Sequence[str]) -> Edited:
    """`lines` without those of the numbers `gone`, with `new` before the one of the number `place`."""
    end = next((line[len(line.rstrip("\r\n")) :] for line in lines if line[-1:] in {"\r", "\n"}), "\n")
    before = [line for number, line in enumerate(lines[: place - 1], start=1) if number not in gone]
    after = [line for number, line in enumerate(lines[place - 1 :], start=place) if number not in gone]
    added = [line if line[-1] in "\r\n" else f"{line}{end}" for line in new]
    whole = [*before, *added, *after]
    for index, line in enumerate(whole):
        following = whole[index + 1] if index + 1 < len(whole) else ""
        if following and line[-1] not in "\r\n":
            whole[index] = f"{line}{end}"
        if following[:1] == "\n" and whole[index][-1] == "\r":
            # Two line ends, not one.
            whole[index] += "\n"
    if text and text[-1] not in "\r\n" and whole:
        whole[-1] = whole[-1].rstrip("\r\n")
    begin = len(before)
    entries = (begin + one.line for one in _entries(added))
    return Edited(text="".join(whole), lines=tuple(entries))
