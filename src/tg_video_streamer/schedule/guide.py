"""The schedule for other programs: XMLTV for guides, iCalendar for calendars; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from tg_video_streamer.schedule.day import EntryKind, ScheduledEntry

GUIDE_DAYS = 7
"""So many days from today on are exported."""
_FOLD_BYTES = 73
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def programmes(entries: Sequence[ScheduledEntry]) -> list[ScheduledEntry]:
    """What a guide lists: shows and day parts, each once, without an end where it is not known; station IDs are no program.

    A part that goes over midnight is an entry of two days: its halves become one.
    """
    found: list[ScheduledEntry] = []
    last_part: int | None = None
    for entry in sorted(entries, key=lambda one: (one.starts_wall, one.kind)):
        if entry.kind is EntryKind.STATION_ID:
            continue
        if entry.kind is EntryKind.PART:
            before = found[last_part] if last_part is not None else None
            same = before is not None and (before.title, before.playlist) == (entry.title, entry.playlist)
            if before is not None and last_part is not None and same and before.ends_wall == entry.starts_wall:
                found[last_part] = _until(before, entry)
                continue
            last_part = len(found)
        found.append(entry)
    return found


def xmltv(entries: Sequence[ScheduledEntry], *, channel: str) -> bytes:
    """An XMLTV document (wiki.xmltv.org/index.php/XMLTVFormat) of one channel."""
    root = ET.Element("tv", {"generator-info-name": "tg-video-streamer"})
    described = ET.SubElement(root, "channel", {"id": channel})
    ET.SubElement(described, "display-name").text = _plain(channel)
    for entry in programmes(entries):
        attributes = {"start": _xmltv_time(entry.starts_wall), "channel": channel}
        if entry.ends_wall is not None:
            attributes["stop"] = _xmltv_time(entry.ends_wall)
        programme = ET.SubElement(root, "programme", attributes)
        ET.SubElement(programme, "title").text = _plain(entry.title) or "\N{EN DASH}"
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def icalendar(entries: Sequence[ScheduledEntry], *, channel: str, now_wall: float) -> bytes:
    """An iCalendar document (RFC 5545)."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//tg-video-streamer//schedule//EN",
        f"X-WR-CALNAME:{_text(channel)}",
    ]
    for entry in programmes(entries):
        name = f"{entry.starts_wall}\n{entry.title}\n{channel}".encode("utf-8", "replace")
        lines += [
            "BEGIN:VEVENT",
            f"UID:{hashlib.blake2b(name, digest_size=16).hexdigest()}@tg-video-streamer",
            f"DTSTAMP:{_utc(now_wall)}",
            f"DTSTART:{_utc(entry.starts_wall)}",
            *([f"DTEND:{_utc(entry.ends_wall)}"] if entry.ends_wall is not None else []),
            f"SUMMARY:{_text(entry.title)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines).encode("utf-8")


def _until(before: ScheduledEntry, after: ScheduledEntry) -> ScheduledEntry:
    return ScheduledEntry(
        kind=before.kind,
        title=before.title,
        playlist=before.playlist,
        starts_wall=before.starts_wall,
        starts=before.starts,
        ends_wall=after.ends_wall,
        ends=after.ends,
    )


def _utc(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y%m%dT%H%M%SZ")


def _xmltv_time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y%m%d%H%M%S +0000")


def _plain(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _text(text: str) -> str:
    """Escaped as a TEXT value."""
    plain = _plain(text).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return re.sub(r"\r\n|\r|\n", r"\\n", plain).replace("\t", " ")


def _folded(line: str) -> str:
    """In pieces of at most 75 bytes, none of which ends within a letter."""
    pieces, piece = [], ""
    for letter in line:
        if len((piece + letter).encode()) > _FOLD_BYTES:
            pieces.append(piece)
            piece = ""
        piece += letter
    return "\r\n ".join([*pieces, piece])
