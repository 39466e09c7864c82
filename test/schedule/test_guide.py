"""The schedule as XMLTV and iCalendar: valid with any title, in the right time, without what is no program."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.schedule.day import EntryKind, ScheduledEntry
from tg_video_streamer.schedule.guide import icalendar, programmes, xmltv

HOUR = 3600.0


def _entry(kind: EntryKind, title: str, begins: float, ends: float | None = None) -> ScheduledEntry:
    iso = datetime.fromtimestamp(begins, UTC).isoformat()
    return ScheduledEntry(kind=kind, title=title, starts_wall=begins, starts=iso, ends_wall=ends)


ENTRIES = (
    _entry(EntryKind.PART, "Night", 0.0, 24 * HOUR),
    _entry(EntryKind.PART, "Night", 24 * HOUR, 30 * HOUR),
    _entry(EntryKind.SHOW, "News, at 8; \\ live", 20 * HOUR),
    _entry(EntryKind.SHOW, "Film", 21 * HOUR, 23 * HOUR),
    _entry(EntryKind.STATION_ID, "", 0.0),
)


def test_a_guide_lists_programs_once() -> None:
    """A part over midnight is one program, and a station ID is none."""
    found = [(one.title, one.starts_wall, one.ends_wall) for one in programmes(ENTRIES)]
    assert found == [
        ("Night", 0.0, 30 * HOUR),
        ("News, at 8; \\ live", 20 * HOUR, None),
        ("Film", 21 * HOUR, 23 * HOUR),
    ]


def test_xmltv_has_times_and_titles() -> None:
    """Start and stop in UTC; no stop where none is known."""
    root = ET.fromstring(xmltv(ENTRIES, channel="tv"))  # noqa: S314 - our own
    assert [one.attrib["id"] for one in root.findall("channel")] == ["tv"]
    assert [(one.get("start"), one.get("stop"), one.findtext("title")) for one in root.findall("programme")] == [
        ("19700101000000 +0000", "19700102060000 +0000", "Night"),
        ("19700101200000 +0000", None, "News, at 8; \\ live"),
        ("19700101210000 +0000", "19700101230000 +0000", "Film"),
    ]


def test_icalendar_has_events() -> None:
    """One event each, escaped, with a name that stays the same."""
    first, second = (icalendar(ENTRIES, channel="tv", now_wall=now).decode() for now in (0.0, 60.0))
    assert first.count("BEGIN:VEVENT") == first.count("END:VEVENT") == 3
    assert "DTSTART:19700101T210000Z\r\nDTEND:19700101T230000Z\r\nSUMMARY:Film\r\n" in first
    assert "SUMMARY:News\\, at 8\\; \\\\ live\r\n" in first
    assert [line for line in first.splitlines() if line.startswith("UID")] == [
        line for line in second.splitlines() if line.startswith("UID")
    ]


@given(title=st.text(max_size=200))
def test_any_title_is_exported(title: str) -> None:
    """Whatever a title is, both documents can be read, and no line of a calendar is longer than 75 bytes."""
    entries = [_entry(EntryKind.SHOW, title, HOUR, 2 * HOUR)]
    root = ET.fromstring(xmltv(entries, channel="tv"))  # noqa: S314 - our own
    assert len(root.findall("programme")) == 1
    document = icalendar(entries, channel="tv", now_wall=0.0)
    lines = document.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    assert document.replace(b"\r\n ", b"").count(b"\r\n") == 12
    document.decode()
