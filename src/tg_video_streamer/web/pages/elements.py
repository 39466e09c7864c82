"""HTML elements of several pages: badge, times, titles, lists of items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from tg_video_streamer.control.status import ItemStatus, ServiceStatus
from tg_video_streamer.control.status_text import encode_text
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.translator import Translator

_PASSING_STATES = frozenset({"starting", "stopping"})
_LIVE = "live"


def badge(status: ServiceStatus, words: Translator) -> tuple[str, str]:
    """What viewers see now, as plain text, and its tone: good, live, fair, bad or quiet."""
    state = _LIVE if status.level == _LIVE else status.channel_state
    label = words.state_text("badge", state)
    if state == "on_air" and (how := encode_text(status, words)):
        label = f"{label} · {how}"
    if status.channel_state in _PASSING_STATES:
        return label, "quiet"
    if not status.healthy:
        return words.text("badge.unhealthy", state=label), "bad"
    if status.degraded:
        return words.text("badge.degraded", state=label), "fair"
    if status.problems:
        return label, "fair"
    return label, {"on_air": "good", _LIVE: "live"}.get(state, "fair")


def badge_tag(status: ServiceStatus, words: Translator) -> str:
    """The badge as HTML."""
    label, tone = badge(status, words)
    return f'<p id="badge" class="badge" data-tone="{tone}">{escape(label)}</p>'


def reason_tag(status: ServiceStatus, words: Translator, *, now_wall: float) -> str:
    """Why the channel is in its state, for how long and since when."""
    reason = f'<span id="reason">{words.message(status.reason)}</span> <span aria-hidden="true">·</span> '
    span = words("since", span=words.span(now_wall - status.since_wall))
    return f'{reason}<span id="since">{span} ({time_tag(status.since_wall, shown="minutes")})</span>'


def time_tag(wall: float, *, shown: str = "seconds") -> str:
    """A time in UTC, which the script shows in local time; `shown`: seconds, minutes, or clock without a day."""
    moment = datetime.fromtimestamp(wall, UTC)
    text = f"{moment:%H:%M}" if shown == "clock" else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return f'<time datetime="{moment.isoformat(timespec="seconds")}" data-shown="{shown}">{text}</time>'


def title_tag(title: str) -> str:
    """A title, isolated from the text direction around it."""
    return f"<bdi>{escape(title)}</bdi>"


def position_text(status: ServiceStatus, words: Translator) -> str:
    """The position in the current item as 0:12 of 1:00, escaped; empty without an item."""
    if status.now is None:
        return ""
    at, length = clock_text(status.position_seconds), status.now.duration_seconds
    if status.now.is_live:
        return words("position.live", at=at)
    return words("position", at=at, length=clock_text(length)) if length else at


def item_tag(item: ItemStatus, words: Translator) -> str:
    """An item's title and its duration, or that it is live."""
    length = words("live") if item.is_live else clock_text(item.duration_seconds) if item.duration_seconds else ""
    return f'{title_tag(item.title)} <span class="number">{length}</span>'


def items_tag(items: Sequence[ItemStatus], words: Translator) -> str:
    """Items in order."""
    if not items:
        return f'<p class="empty">{words("next.empty")}</p>'
    return f'<ol class="items">{"".join(f"<li>{item_tag(item, words)}</li>" for item in items)}</ol>'


def alert_tag(name: str, lines: Iterable[str], words: Translator) -> str:
    """A card with the lines, which are HTML; empty without any."""
    items = "".join(f"<li>{line}</li>" for line in lines)
    if not items:
        return ""
    return (
        f'<section id="{name}" class="card alert" data-alert="{name}" aria-labelledby="{name}-heading">'
        f'<h2 id="{name}-heading">{words(f"heading.{name}")}</h2><ul id="{name}-list">{items}</ul></section>'
    )
