"""The start page: live picture, current and next items, outputs, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.control.status import OutputStatus, ServiceStatus
from tg_video_streamer.control.status_text import StatusText, degraded_messages
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.pages.band import band_tag
from tg_video_streamer.web.pages.buttons import playout_buttons, seek_bar, warnings_tag
from tg_video_streamer.web.pages.charts import charts_tag
from tg_video_streamer.web.pages.elements import (
    alert_tag,
    badge_tag,
    items_tag,
    position_text,
    reason_tag,
    time_tag,
    title_tag,
)
from tg_video_streamer.web.pages.incoming import incoming_tag
from tg_video_streamer.web.pages.layout import PageView, page, page_view
from tg_video_streamer.web.pages.refresh import part_versions

_SOURCES = {
    "hls": '<source src="/preview/live.m3u8" type="application/vnd.apple.mpegurl">',
    "mp4": '<source src="/preview/live.mp4" type="video/mp4">',
}
_DELIVERIES = frozenset({"confirmed", "unconfirmed", "missing"})


def routes(context: WebContext) -> list[Route]:
    """The page at `/`."""

    async def on_air(request: Request) -> Response:
        # The faster one first: an HLS playlist takes seconds to fill. Browsers try the second if they cannot play the
        # first.
        streams: tuple[str, ...] = ("hls", "mp4") if context.preview.has_playlist else ("mp4", "hls")
        if (chosen := request.query_params.get("preview")) in streams:
            streams = (chosen,)
        view = page_view(request, context)
        return page(view, "on_air", _main(view, streams))

    return [Route("/", on_air)]


def live_fragments(context: WebContext, words: Translator) -> Mapping[str, str]:
    """The changing HTML by element id; the badge is on every page."""
    status, now_wall = context.commands.status(), context.clock.wall()
    history = context.commands.history()
    return {
        "live-badge": badge_tag(status, words),
        "live-reason": reason_tag(status, words, now_wall=now_wall),
        "live-problems": _problems(context, words),
        "live-title": _title(status, words),
        "live-position": _position(status, words),
        "live-next": items_tag(status.next_items, words) + _download(status, words),
        "live-outputs": _outputs(status, words),
        "live-statistics": _statistics(status, history.gap_seconds_today, words),
    }


def chart_fragments(context: WebContext, words: Translator) -> Mapping[str, str]:
    """The charts, which are slower to build and change with each sample."""
    now_wall, history = context.clock.wall(), context.commands.history()
    newest = history.samples[-1].wall if history.samples else now_wall
    return {
        # It moves with time: every 30 s is enough.
        "live-band": band_tag(history.spans, words, now_wall=now_wall // 30 * 30),
        "live-charts": charts_tag(history.samples, words, now_wall=newest),
    }


def _main(view: PageView, streams: Sequence[str]) -> str:
    words = view.words
    live = {**live_fragments(view.context, words), **chart_fragments(view.context, words)}
    sources = "".join(_SOURCES[stream] for stream in streams)
    controls, preview = playout_buttons(view), view.context.preview
    versions = part_versions(view.context)
    return f"""<div id="live-problems" class="alerts">{live["live-problems"]}</div>
<div class="columns">
<div class="column">
<section class="picture" aria-label="{words("picture")}">
<video id="live" width="{preview.width}" height="{preview.height}" muted autoplay playsinline controls aria-label="{words("picture.live")}">{sources}
{words("picture.none")}</video>
<button type="button" id="sound" class="sound" hidden data-on="{words("sound.off")}" data-off="{words("sound.on")}">{words("sound.on")}</button>
</section>
<div id="part-live" data-part="@live" data-version="{versions["@live"]}">{incoming_tag(view)}</div>
<section class="card now" aria-labelledby="now-heading">
<h2 id="now-heading">{words("now")}</h2>
<div id="live-title">{live["live-title"]}</div>
<div id="live-position">{live["live-position"]}</div>
<div id="part-seek" data-part="@seek" data-version="{versions["@seek"]}">{seek_bar(view)}</div>
{controls}
</section>
</div>
<div class="column">
{_card("outputs", live, words)}
{_card("next", live, words)}
<div id="part-warnings" class="alerts" data-part="@warnings" data-version="{versions["@warnings"]}">{warnings_tag(view)}</div>
</div>
</div>
{_card("band", live, words)}
{_card("charts", live, words)}
{_card("statistics", live, words)}"""


def _card(name: str, live: Mapping[str, str], words: Translator) -> str:
    return (
        f'<section class="card {name}" aria-labelledby="{name}-heading"><h2 id="{name}-heading">{words(f"heading.{name}")}</h2>'
        f'<div id="live-{name}">{live[f"live-{name}"]}</div></section>'
    )


def _title(status: ServiceStatus, words: Translator) -> str:
    title = title_tag(status.now.title) if status.now else words("now.empty")
    slate = ""
    if status.slate_reason and not status.paused:
        slate = f'<p id="slate-reason">{words.state("slate", status.slate_reason)}</p>'
    return f'<p id="now-title" class="title">{title}</p>{slate}'


def _position(status: ServiceStatus, words: Translator) -> str:
    """The position in the item."""
    item = status.now
    if item is None:
        return ""
    progress = ""
    if item.duration_seconds and not item.is_live:
        at = min(status.position_seconds, item.duration_seconds)
        progress = (
            f'<progress id="progress" aria-label="{words("progress")}" max="{item.duration_seconds:g}"'
            f' value="{at:.1f}"></progress>'
        )
    paused = f' <strong id="paused">{words("paused")}</strong>' if status.paused else ""
    return f'{progress}<p><span id="position" class="number">{position_text(status, words)}</span>{paused}</p>'


def _problems(context: WebContext, words: Translator) -> str:
    """What needs action now."""
    status = context.commands.status()
    lines = [words.message(line) for line in degraded_messages(status)]
    if lines and context.login is not None:
        lines.append(f'<a class="button small" href="/session">{words("session.new")}</a>')
    return alert_tag("problems", map(words.message, status.problems), words) + alert_tag("degraded", lines, words)


def _download(status: ServiceStatus, words: Translator) -> str:
    """The progress of the download that runs now."""
    if status.spool is None or status.spool.download is None:
        return ""
    text = StatusText(words).titled_download(status.spool.download)
    return f'<p id="download" class="download">{escape(text)}</p>'


def _outputs(status: ServiceStatus, words: Translator) -> str:
    if not status.outputs:
        return f'<p class="empty">{words("outputs.none")}</p>'
    return f'<ul class="outputs-list">{"".join(_output(one, words) for one in status.outputs)}</ul>'


def _output(output: OutputStatus, words: Translator) -> str:
    facts = [escape(output.kind), words.rate(output.bits_per_second)]
    if output.reconnects:
        facts.append(words("output.reconnects", count=output.reconnects))
    if output.dropped_packets:
        facts.append(words("output.dropped", count=output.dropped_packets))
    if output.seen_wall is not None:
        facts.append(f"{words('seen')} {time_tag(output.seen_wall)}")
    delivery = ""
    if output.delivery in _DELIVERIES:
        delivery = (
            f'<span class="delivery" data-delivery="{output.delivery}">{words(f"delivery.{output.delivery}")}</span>'
        )
    error = f'<span class="error">{words("output.error")} {words.message(output.error)}</span>' if output.error else ""
    return (
        f'<li><span class="name">{title_tag(output.name)}</span>'
        f'<span class="state" data-state="{escape(output.state)}">{words.state("output_state", output.state)}</span>'
        f'<span class="number">{" · ".join(facts)}</span>{delivery}{error}</li>'
    )


def _statistics(status: ServiceStatus, gap_seconds_today: float, words: Translator) -> str:
    facts = {
        "gap-today": (words("statistic.gap_today"), f"{words.number(gap_seconds_today, 2)} {words('unit.second')}"),
        "gap": (words("statistic.gap"), f"{words.number(status.gap_seconds, 2)} {words('unit.second')}"),
        "buffer": (words("buffer"), f"{words.number(status.buffer_seconds, 1)} {words('unit.second')}"),
        "skew": (words("statistic.skew"), f"{words.number(status.skew_seconds * 1000, 1)} {words('unit.millisecond')}"),
        "played": (words("statistic.played"), str(status.streams_played)),
        "uptime": (words("statistic.uptime"), escape(words.span(status.uptime_seconds))),
    }
    if status.session_state or status.viewers is not None:
        viewers = words("unknown") if status.viewers is None else str(status.viewers)
        facts = {"viewers": (words("statistic.viewers"), viewers), **facts}
    if status.session_state:
        facts["session"] = (words("statistic.session"), words.state("session_state", status.session_state))
        if status.session_seen_wall is not None:
            facts["session-seen"] = (words("statistic.session_seen"), time_tag(status.session_seen_wall))
    rows = "".join(f'<div><dt>{name}</dt><dd id="{key}">{value}</dd></div>' for key, (name, value) in facts.items())
    return f'<dl class="facts">{rows}</dl>'
