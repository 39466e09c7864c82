"""The page as the server writes it: complete and readable with scripts off; page.js keeps the same elements fresh."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from tg_video_streamer.control.status import ItemStatus, OutputStatus, ServiceStatus
from tg_video_streamer.control.wording import DEGRADED_REMEDY, PROOFS

STATE_LABELS = {
    "starting": "Starting",
    "on_air": "On air",
    "on_filler": "Filler",
    "on_slate": "Slate",
    "stopping": "Stopping",
}
_PASSING_STATES = frozenset({"starting", "stopping"})
_SOURCES = {
    "hls": '<source src="/preview/live.m3u8" type="application/vnd.apple.mpegurl">',
    "mp4": '<source src="/preview/live.mp4" type="video/mp4">',
}


def render_page(status: ServiceStatus, *, now_wall: float, streams: Sequence[str] = ("hls", "mp4")) -> str:
    """The whole HTML document; the browser takes the first of `streams` (hls, mp4) that it can play."""
    body = f"{_header(status, now_wall)}{_main(status, streams)}{_footer(status)}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{escape(badge(status)[0])} · Channel</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body data-labels="{escape(json.dumps(STATE_LABELS))}" data-proofs="{escape(json.dumps(PROOFS))}" data-remedy="{DEGRADED_REMEDY}">
{body}</body>
</html>
"""


def _header(status: ServiceStatus, now_wall: float) -> str:
    label, tone = badge(status)
    return f"""<header>
<h1>Channel</h1>
<p id="badge" class="badge" data-tone="{tone}" role="status">{escape(label)}</p>
<p id="why"><span id="reason">{escape(status.reason)}</span> <span id="since">{_since(status, now_wall)}</span></p>
</header>
"""


def _main(status: ServiceStatus, streams: Sequence[str]) -> str:
    sources = "".join(_SOURCES[stream] for stream in streams)
    return f"""<main>
{_notes("problems", "Not healthy", status.problems)}
{_notes("degraded", "Degraded: no Telegram session", _degraded(status))}
<div class="column">
<section class="picture" aria-label="Live picture">
<video id="live" muted autoplay playsinline controls aria-label="What is on air now">{sources}
This browser plays neither of the live streams.</video>
</section>
<section class="card now" aria-labelledby="now-heading">
{_now(status)}
</section>
</div>
<div class="column">
<section class="card" aria-labelledby="outputs-heading">
<h2 id="outputs-heading">Outputs</h2>
<ul id="outputs" class="outputs">{_outputs(status)}</ul>
</section>
<section class="card" aria-labelledby="next-heading">
<h2 id="next-heading">Next</h2>
<ol id="next" class="next">{_next(status)}</ol>
</section>
{_notes("warnings", "To look at", status.warnings)}
</div>
<section class="card wide" aria-labelledby="programme-heading">
<h2 id="programme-heading">Programme</h2>
<dl id="programme" class="facts">{_facts(status)}</dl>
</section>
</main>
"""


def _footer(status: ServiceStatus) -> str:
    return f"""<footer>
<p>Version <span id="version">{escape(status.version)}</span> · <a href="/status.json">status.json</a> ·
<a href="/healthz">healthz</a> · streams: <a href="/preview/live.m3u8">HLS</a>, <a href="/preview/live.mp4">MP4</a> ·
this page with <a href="/?preview=hls">HLS</a>, with <a href="/?preview=mp4">MP4</a></p>
<noscript><p>Scripts are off: <a href="/">load the page again</a> for fresh numbers.</p></noscript>
</footer>
"""


def badge(status: ServiceStatus) -> tuple[str, str]:
    """The badge's words, and its tone: good, fair, bad or quiet. Never "on air" alone where that is not the truth."""
    label = STATE_LABELS.get(status.channel_state, status.channel_state)
    if status.channel_state in _PASSING_STATES:
        return label, "quiet"
    if not status.healthy:
        return f"{label}, not healthy", "bad"
    if status.degraded:
        return f"{label}, degraded", "fair"
    return label, "good" if status.channel_state == "on_air" else "fair"


def _degraded(status: ServiceStatus) -> tuple[str, ...]:
    return (status.degraded_reason, DEGRADED_REMEDY) if status.degraded else ()


def clock_text(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:02:03."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def span_text(seconds: float) -> str:
    """A length of time in its two largest units: 45 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    whole = max(0, int(seconds))
    for large, small, size, part in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {large} {rest} {small}" if rest else f"{whole // size} {large}"
    return f"{whole} s"


def rate_text(bits_per_second: float) -> str:
    """A bit rate as 950 kbit/s or 2.6 Mbit/s."""
    if bits_per_second >= 1_000_000:
        return f"{bits_per_second / 1_000_000:.1f} Mbit/s"
    return f"{bits_per_second / 1000:.0f} kbit/s"


def _since(status: ServiceStatus, now_wall: float) -> str:
    began = datetime.fromtimestamp(status.since_wall, UTC)
    span = span_text(now_wall - status.since_wall)
    return (
        f'for {span}, since <time datetime="{began.isoformat(timespec="seconds")}">{began:%Y-%m-%d %H:%M:%S} UTC</time>'
    )


def _now(status: ServiceStatus) -> str:
    item = status.now
    title = f"<bdi>{escape(item.title)}</bdi>" if item else "Nothing from the playlist"
    length = item.duration_seconds if item and not item.is_live else None
    position = clock_text(status.position_seconds) if item else ""
    if item:
        position += " · live" if item.is_live else f" of {clock_text(length)}" if length else ""
    hidden = "" if length else " hidden"
    paused = "" if status.paused else " hidden"
    return f"""<h2 id="now-heading">Now</h2>
<p id="now-title" class="title">{title}</p>
<progress id="progress" aria-label="Position in the item" max="{length or 1:g}" value="{min(status.position_seconds, length or 1):g}"{hidden}></progress>
<p><span id="position" class="number">{position}</span> <strong id="paused"{paused}>paused</strong></p>"""


def _notes(name: str, heading: str, lines: tuple[str, ...]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    hidden = "" if lines else " hidden"
    return (
        f'<section id="{name}" class="card {name}" aria-labelledby="{name}-heading"{hidden}>'
        f'<h2 id="{name}-heading">{heading}</h2><ul id="{name}-list">{items}</ul></section>'
    )


def _outputs(status: ServiceStatus) -> str:
    return "".join(map(_output, status.outputs)) or '<li class="empty">None but this preview</li>'


def _output(output: OutputStatus) -> str:
    facts = [output.kind, rate_text(output.bits_per_second)]
    if output.reconnects:
        facts.append(f"{output.reconnects} reconnects")
    if output.dropped_packets:
        facts.append(f"{output.dropped_packets} packets dropped")
    proof = ""
    if output.proof in PROOFS:
        proof = f'<span class="proof" data-proof="{output.proof}">{PROOFS[output.proof]}</span>'
    error = f'<span class="error">{escape(output.error)}</span>' if output.error else ""
    return (
        f'<li><span class="name"><bdi>{escape(output.name)}</bdi></span>'
        f'<span class="state" data-state="{escape(output.state)}">{escape(output.state.replace("_", " "))}</span>'
        f'<span class="number">{escape(" · ".join(facts))}</span>{proof}{error}</li>'
    )


def _next(status: ServiceStatus) -> str:
    return "".join(map(_coming, status.next_items)) or '<li class="empty">Nothing</li>'


def _coming(item: ItemStatus) -> str:
    length = "live" if item.is_live else clock_text(item.duration_seconds) if item.duration_seconds else ""
    return f'<li><bdi>{escape(item.title)}</bdi> <span class="number">{length}</span></li>'


def _facts(status: ServiceStatus) -> str:
    facts = {
        "buffer": ("Buffer", f"{status.buffer_seconds:.1f} s"),
        "gap": ("Missing picture", f"{status.gap_seconds:.2f} s"),
        "skew": ("Lip sync error", f"{status.skew_seconds * 1000:.1f} ms"),
        "played": ("Items played", str(status.streams_played)),
        "programme-length": ("Programme", span_text(status.program_seconds)),
        "uptime": ("Service up", span_text(status.uptime_seconds)),
    }
    viewers = "unknown" if status.viewers is None else str(status.viewers)
    telegram = {
        "session": ("Telegram session", escape(status.session_state)),
        "viewers": ("Viewers in Telegram", viewers),
    }
    hidden = "" if status.session_state else " hidden"
    rows = [(key, name, value, "") for key, (name, value) in facts.items()]
    rows += [(key, name, value, hidden) for key, (name, value) in telegram.items()]
    return "".join(f'<div{hide}><dt>{name}</dt><dd id="{key}">{value}</dd></div>' for key, name, value, hide in rows)
