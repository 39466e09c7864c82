"""Times, lengths and rates as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from tg_video_streamer.control.status import ItemStatus
from tg_video_streamer.web.locales.i18n import Translator

_SPANS = (("day", "hour", 86_400, 3_600), ("hour", "minute", 3_600, 60), ("minute", "second", 60, 1))


def clock_text(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:02:03."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def span_text(seconds: float, words: Translator) -> str:
    """A length of time in its two largest units: 45 s, 3 min 5 s, 2 h 10 min, 4 d 3 h; not escaped."""
    whole = max(0, int(seconds))
    for large, small, size, part in _SPANS:
        if whole >= size:
            rest = whole % size // part
            most = f"{whole // size} {words.text(f'unit.{large}')}"
            return f"{most} {rest} {words.text(f'unit.{small}')}" if rest else most
    return f"{whole} {words.text('unit.second')}"


def rate_text(bits_per_second: float, words: Translator) -> str:
    """A bit rate as 950 kbit/s or 2.6 Mbit/s."""
    if bits_per_second >= 1_000_000:
        return f"{words.number(bits_per_second / 1_000_000, 1)} {words('unit.megabit')}"
    return f"{words.number(bits_per_second / 1000)} {words('unit.kilobit')}"


def length_text(item: ItemStatus, words: Translator) -> str:
    """How long an item is, or that it is live; empty where that is not known."""
    return words("live") if item.is_live else clock_text(item.duration_seconds) if item.duration_seconds else ""


def time_tag(wall: float, *, shown: str = "full") -> str:
    """A moment, in UTC; the page's script puts it into the browser's own time. `shown`: full, or clock for the time alone."""
    moment = datetime.fromtimestamp(wall, UTC)
    text = f"{moment:%H:%M}" if shown == "clock" else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return f'<time datetime="{moment.isoformat(timespec="seconds")}" data-shown="{shown}">{text}</time>'


def title_tag(title: str) -> str:
    """A title that cannot turn the line round it, whatever it is written in."""
    return f"<bdi>{escape(title)}</bdi>"
