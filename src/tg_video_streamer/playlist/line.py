"""One playlist line: a locator and its options, checked without touching disk or network."""

from __future__ import annotations

import math
import os.path
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.languages import OFF, parse_audio, parse_subtitles
from tg_video_streamer.media import Fit
from tg_video_streamer.playlist.airtime import parse_clock, parse_length
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.live_address import LIVE_SCHEMES, check_live_address
from tg_video_streamer.playlist.telegram_link import (
    CHAT_SCHEME,
    ChatOrder,
    leads_to_telegram,
    parse_since,
    parse_telegram_link,
)

MAX_LINE_CHARACTERS = 8192
MAX_VOLUME = 4.0
_MAX_SECONDS = 10_000_000.0
_OPTION = re.compile(r"\|\s*(?=[A-Za-z_-]+\s*=)")
_BACKUP = re.compile(r"\|\s*backup\s*=", re.IGNORECASE)
"""Everything after it is a line of its own, with its own options."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.,-]*):")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNDECODED = re.compile(r"[\ud800-\udfff]")
_TIME = re.compile(
    r"""(?:(?:(\d{1,9}):(?=[0-5]?\d:))?  # hours, where minutes below 60 follow
        (\d{1,9}):(?=[0-5]?\d(?:\.|$)))?  # minutes, where seconds below 60 follow
        (\d{1,9}(?:\.\d{1,9})?)""",
    re.ASCII | re.VERBOSE,
)


def parse_line(line: str, *, base: str, allowed: AllowedFolders, title: str = "") -> Item:
    """The item of `line`: `locator | title=… | start=… | end=…` with OPTIONS in any order, and last `backup=` with a line.

    `base` is the absolute folder of relative paths, `title` the default for a line without one.
    A `|` belongs to the locator or the title unless a word and `=` follow it. Raises PlaylistError with a remedy.
    """
    _check_characters(line)
    if found := _BACKUP.search(line):
        item = parse_line(line[: found.start()], base=base, allowed=allowed, title=title)
        backup = parse_line(line[found.end() :], base=base, allowed=allowed)
        if backup.kind is LocatorKind.TELEGRAM or backup.timed:
            raise PlaylistError.of("line.backup")
        return replace(item, backup=replace(backup, public_only=backup.public_only or item.public_only))
    if "|" not in line:
        kind, place = _locator(line.strip(), base, allowed)
        return Item(kind, place, title=title)
    locator, *options = _OPTION.split(line.strip())
    given = _options(options)
    values = {OPTIONS[name].field: OPTIONS[name].parse(name, text) for name, text in given.items()}
    if "end" in given and values["end_seconds"] <= values.get("start_seconds", 0.0):
        raise PlaylistError.of("line.end_before_start", end=given["end"], start=given.get("start", "0"))
    kind, place = _locator(locator.rstrip(), base, allowed)
    whole_chat = kind is LocatorKind.TELEGRAM and not parse_telegram_link(place).message
    if not whole_chat and (wrong := [name for name in _OF_CHATS if name in given]):
        raise PlaylistError.of("line.of_chats", name=wrong[0])
    return Item(kind, place, **{"title": title, **values})


def parse_seconds(text: str) -> float:
    """`90`, `90.5`, `1:30` or `0:01:30` as seconds; raises ValueError for anything else."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    hours, minutes, last = found.groups()
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(last)
    if total > _MAX_SECONDS:
        raise ValueError(text)
    return total


def _check_characters(line: str) -> None:
    if len(line) > MAX_LINE_CHARACTERS:
        raise PlaylistError.of("line.too_long", limit=MAX_LINE_CHARACTERS)
    if line.isprintable():
        return
    if _UNDECODED.search(line):
        raise PlaylistError.of("line.not_utf8")
    if found := _CONTROL.search(line):
        raise PlaylistError.of("line.control", code=f"{ord(found[0]):04X}")


def _options(pieces: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for piece in pieces:
        name, _, value = piece.partition("=")
        name = name.strip().lower()
        if name not in OPTIONS:
            known = ", ".join(f"{option}=" for option in (*OPTIONS, "backup"))
            raise PlaylistError.of("line.option", name=name, known=known)
        if name in given:
            raise PlaylistError.of("line.option_twice", name=name)
        given[name] = value.strip()
    return given


def _seconds(name: str, text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError:
        raise PlaylistError.of("line.time", name=name, text=text) from None


def _volume(name: str, text: str) -> float:
    try:
        volume = float(text)
    except ValueError:
        volume = math.nan
    if not 0 <= volume <= MAX_VOLUME:
        raise PlaylistError.of("line.volume", name=name, text=text, most=f"{MAX_VOLUME:g}")
    return volume


def _fit(name: str, text: str) -> Fit:
    try:
        return Fit(text.lower())
    except ValueError:
        raise PlaylistError.of("line.fit", name=name, text=text, known=", ".join(Fit)) from None


def _length(name: str, text: str) -> float:
    try:
        return parse_length(text)
    except ValueError:
        raise PlaylistError.of("line.length", name=name, text=text) from None


def _clock(name: str, text: str) -> str:
    try:
        return parse_clock(text)
    except ValueError:
        raise PlaylistError.of("line.clock", name=name, text=text) from None


def _switch(name: str, text: str) -> bool:
    if text not in {"0", "1"}:
        raise PlaylistError.of("line.switch", name=name, text=text)
    return text == "1"


def _languages(parse: Callable[[str], tuple[str, ...]], none: str) -> Callable[[str, str], str]:
    """The parser of an option with languages; `none`: its text for no languages."""

    def parsed(name: str, text: str) -> str:
        try:
            return ",".join(parse(text)) or none
        except ValueError as error:
            raise PlaylistError.of("line.language", name=name, text=str(error)) from None

    return parsed


def _order(name: str, text: str) -> ChatOrder:
    try:
        return ChatOrder(text.lower())
    except ValueError:
        raise PlaylistError.of("line.order", name=name, text=text, known=", ".join(ChatOrder)) from None


def _since(name: str, text: str) -> str:
    try:
        return parse_since(text)
    except ValueError:
        raise PlaylistError.of("line.since", name=name, text=text) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option of a playlist line: the field of Item that it sets, and how text and JSON become its value."""

    field: str
    parse: Callable[[str, str], Any]
    """From the option's name and text; raises PlaylistError."""
    from_json: Callable[[Any], Any]


OPTIONS: Mapping[str, Option] = {
    "title": Option(field="title", parse=lambda _, text: text, from_json=str),
    "start": Option(field="start_seconds", parse=_seconds, from_json=float),
    "end": Option(field="end_seconds", parse=_seconds, from_json=lambda value: None if value is None else float(value)),
    "volume": Option(field="volume", parse=_volume, from_json=float),
    "fit": Option(field="fit", parse=_fit, from_json=lambda value: None if value is None else Fit(value)),
    "gapless": Option(field="gapless", parse=_switch, from_json=bool),
    "audio": Option(field="audio", parse=_languages(parse_audio, ""), from_json=str),
    "subtitles": Option(field="subtitles", parse=_languages(parse_subtitles, OFF), from_json=str),
    "for": Option(field="for_seconds", parse=_length, from_json=lambda value: None if value is None else float(value)),
    "until": Option(field="until", parse=_clock, from_json=str),
    "public": Option(field="public_only", parse=_switch, from_json=bool),
    "order": Option(field="order", parse=_order, from_json=ChatOrder),
    "since": Option(field="since", parse=_since, from_json=str),
    "match": Option(field="match", parse=lambda _, text: text, from_json=str),
}
"""Every option, by its name in the playlist and in saved state."""
_OF_CHATS = ("order", "since", "match")


def _locator(locator: str, base: str, allowed: AllowedFolders) -> tuple[LocatorKind, str]:
    if not locator:
        raise PlaylistError.of("line.nothing")
    if scheme := _SCHEME.match(locator):
        if scheme[1].lower() == CHAT_SCHEME:
            return LocatorKind.TELEGRAM, parse_telegram_link(locator).locator
        if scheme[1].lower() in LIVE_SCHEMES:
            locator = f"{scheme[1].lower()}{locator[len(scheme[1]) :]}"
            check_live_address(locator)
            return LocatorKind.LIVE, locator
        if scheme[1].lower() not in {"http", "https"}:
            raise PlaylistError.of("line.scheme", scheme=scheme[1])
        check_url(locator)
        if leads_to_telegram(locator):
            return LocatorKind.TELEGRAM, parse_telegram_link(locator).locator
        return LocatorKind.URL, locator
    if locator.startswith("-"):
        raise PlaylistError.of("line.dash")
    path = os.path.normpath(locator if locator.startswith("/") else f"{base}/{locator}")
    if path.startswith("//"):
        path = path[1:]
    if not allowed.contains(path):
        raise PlaylistError.of("line.outside", path=path)
    return LocatorKind.FILE, path


def check_url(url: str) -> None:
    """Raise PlaylistError where `url` is not a well-formed http(s) URL with a host; never repeats the URL."""
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed or any(character.isspace() or character in '\\<>"' for character in url):
        raise PlaylistError.of("line.url")
