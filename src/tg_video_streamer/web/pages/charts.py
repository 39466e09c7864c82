"""Charts of the last ten minutes: buffer, and each output's bit rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from tg_video_streamer.asrun.history import Sample
from tg_video_streamer.control.history_sampler import SAMPLE_SECONDS, SAMPLES
from tg_video_streamer.locales.translator import Translator

_WIDTH, _HEIGHT = 600, 100
_SPAN_SECONDS = SAMPLE_SECONDS * (SAMPLES - 1)
_MIN_BUFFER_SECONDS = 5.0
_MIN_BITS = 500_000.0

Points = Sequence[tuple[float, float]]
"""Wall time and value."""


def charts_tag(samples: Sequence[Sample], words: Translator, *, now_wall: float) -> str:
    """One chart of the buffer and one of the outputs, each with its newest value as text."""
    buffer = [(one.wall, one.buffer_seconds) for one in samples]
    names = list(samples[-1].bits_per_second) if samples else []
    rates = {
        name: [(one.wall, one.bits_per_second[name]) for one in samples if name in one.bits_per_second]
        for name in names
    }

    def seconds(value: float) -> str:
        return f"{words.number(value, 1)} {words('unit.second')}"

    def rate(value: float) -> str:
        return words.rate(value)

    charts = _chart(words("buffer"), {"": buffer}, seconds, minimum=_MIN_BUFFER_SECONDS, now_wall=now_wall, words=words)
    if rates:
        charts += _chart(words("bitrate"), rates, rate, minimum=_MIN_BITS, now_wall=now_wall, words=words)
    return charts


def _chart(
    name: str,
    lines: Mapping[str, Points],
    as_text: Callable[[float], str],
    *,
    minimum: float,
    now_wall: float,
    words: Translator,
) -> str:
    top = max([minimum, *(value for points in lines.values() for _, value in points)]) * 1.1
    charts = "".join(
        f'<polyline class="curve curve-{number % 4}" points="{_points(points, top, now_wall)}"/>'
        for number, points in enumerate(lines.values())
    )
    newest = {line: as_text(points[-1][1]) if points else "-" for line, points in lines.items()}
    legend = "".join(
        f'<li><span class="key curve-{number % 4}" aria-hidden="true"></span><bdi>{escape(line)}</bdi> '
        f'<span class="number">{value}</span></li>'
        for number, (line, value) in enumerate(newest.items())
    )
    label = ", ".join(f"{escape(line)} {value}".strip() for line, value in newest.items())
    return (
        f'<figure class="chart"><figcaption>{name}</figcaption>'
        f'<div class="plot"><span class="top number" aria-hidden="true">{as_text(top / 1.1)}</span>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{name}: {label}">'
        f'<path class="grid" d="M0 {_HEIGHT / 2}H{_WIDTH}"/>{charts}</svg></div>'
        f'<p class="axis" aria-hidden="true"><span>{words("chart.ago")}</span><span>{words("now")}</span></p>'
        f'<ul class="legend">{legend}</ul></figure>'
    )


def _points(points: Points, top: float, now_wall: float) -> str:
    """The points in the chart's coordinates."""
    return " ".join(
        f"{_WIDTH * (1 - (now_wall - wall) / _SPAN_SECONDS):.0f},{_HEIGHT * (1 - value / top):.1f}"
        for wall, value in points
        if now_wall - wall <= _SPAN_SECONDS
    )
