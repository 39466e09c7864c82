"""The badge: what viewers see now, in a word or two."""

from __future__ import annotations

from html import escape

from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.pages.figures import time_tag

_PASSING_STATES = frozenset({"starting", "stopping"})
_LIVE = "live"


def badge(status: ServiceStatus, words: Translator) -> tuple[str, str]:
    """Its plain text and its tone: good, live, fair, bad or quiet."""
    state = _LIVE if status.level == _LIVE else status.channel_state
    label = words.text(f"badge.{state}") if words.has(f"badge.{state}") else state.replace("_", " ")
    if status.channel_state in _PASSING_STATES:
        return label, "quiet"
    if not status.healthy:
        return words.text("badge.unhealthy", state=label), "bad"
    if status.degraded:
        return words.text("badge.degraded", state=label), "fair"
    tones = {"on_air": "good", _LIVE: "live"}
    return label, tones.get(state, "fair")


def badge_tag(status: ServiceStatus, words: Translator) -> str:
    """The badge as HTML."""
    label, tone = badge(status, words)
    return f'<p id="badge" class="badge" data-tone="{tone}">{escape(label)}</p>'


def why_tag(status: ServiceStatus, words: Translator, *, now_wall: float) -> str:
    """The reason, for how long and since when."""
    reason = (
        f'<span id="reason">{words.said(status.reason)}</span> <span aria-hidden="true">·</span> '
        if status.reason
        else ""
    )
    span = words("since", span=words.span(now_wall - status.since_wall))
    return f'{reason}<span id="since">{span} {time_tag(status.since_wall)}</span>'
