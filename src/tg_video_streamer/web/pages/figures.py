"""Durations, times and titles as HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from tg_video_streamer.control.status import ItemStatus
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.translator import Translator


def length_text(item: ItemStatus, words: Translator) -> str:
    """The item's duration, or that it is live; empty if unknown."""
    return words("live") if item.is_live else clock_text(item.duration_seconds) if item.duration_seconds else ""


def time_tag(wall: float, *, shown: str = "full") -> str:
    """A time in UTC, localized by the page's script. `shown`: full, or clock for the time alone."""
    moment = datetime.fromtimestamp(wall, UTC)
    text = f"{moment:%H:%M}" if shown == "clock" else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return f'<time datetime="{moment.isoformat(timespec="seconds")}" data-shown="{shown}">{text}</time>'


def title_tag(title: str) -> str:
    """A title, isolated from the text direction around it."""
    return f"<bdi>{escape(title)}</bdi>"
