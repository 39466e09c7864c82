"""The last 24 hours as a colored timeline, with the same facts as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from tg_video_streamer.asrun.history import BAND_SECONDS, LevelSpan
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.web.pages.elements import time_tag

_CELLS = 720
"""Two minutes each; a cell shows its worst level, so that short problems stay visible."""
_CELL_SECONDS = BAND_SECONDS / _CELLS
_KINDS = ("item", "live", "backup", "filler", "slate", "off")
"""Best first."""
_KIND_OF_LEVEL = {"item": "item", "live": "live", "backup": "backup", "filler": "filler", "slate": "slate"}
_LISTED = 12
_MIN_GAP_SECONDS = 2.0
"""Shorter gaps come from clock adjustments between two spans."""


def band_tag(spans: Sequence[LevelSpan], words: Translator, *, now_wall: float) -> str:
    """The band with hours, a legend with shares, and a table of all problems."""
    whole = list(_with_gaps(spans, now_wall))
    shares = _shares(whole)
    label = ", ".join(f"{words(f'band.{kind}')} {_percent(share, words)}" for kind, share in shares.items())
    rectangles = "".join(
        f'<rect class="level-{kind}" x="{first}" width="{count}" height="1"/>'
        for kind, first, count in _runs(whole, now_wall)
    )
    hours = "".join(time_tag(now_wall - BAND_SECONDS * part / 4, shown="clock") for part in (4, 3, 2, 1))
    legend = "".join(
        f'<li><span class="key level-{kind}" aria-hidden="true"></span>{words(f"band.{kind}")} '
        f'<span class="number">{_percent(share, words)}</span></li>'
        for kind, share in shares.items()
    )
    return (
        f'<svg class="band" viewBox="0 0 {_CELLS} 1" preserveAspectRatio="none" role="img"'
        f' aria-label="{words("band.summary")} {label}">{rectangles}</svg>'
        f'<p class="axis" aria-hidden="true">{hours}<span>{words("now")}</span></p>'
        f'<ul class="legend">{legend}</ul>{_problems(whole, words)}'
    )


def _with_gaps(spans: Sequence[LevelSpan], now_wall: float) -> Iterator[LevelSpan]:
    """The spans, oldest first, with `off` spans in the gaps."""
    at = now_wall - BAND_SECONDS
    for span in spans:
        if span.starts_wall - at > _MIN_GAP_SECONDS:
            yield LevelSpan(starts_wall=at, ends_wall=span.starts_wall, level="off")
        yield span
        at = max(at, span.ends_wall)
    if now_wall - at > _MIN_GAP_SECONDS:
        yield LevelSpan(starts_wall=at, ends_wall=now_wall, level="off")


def _kind(level: str) -> str:
    return _KIND_OF_LEVEL.get(level, "off")


def _shares(spans: Sequence[LevelSpan]) -> Mapping[str, float]:
    """The share of the day of each kind that was there, best first; on air always."""
    seconds = dict.fromkeys(_KINDS, 0.0)
    for span in spans:
        seconds[_kind(span.level)] += max(0.0, span.ends_wall - span.starts_wall)
    total = sum(seconds.values()) or 1.0
    return {kind: part / total for kind, part in seconds.items() if part or kind == "item"}


def _percent(share: float, words: Translator) -> str:
    """Never 100 % with a gap, nor 0 % with content."""
    percent = share * 100
    if 0 < percent < 0.1:
        return f"&lt; {words.number(0.1, 1)} %"
    if 99.9 < percent < 100:
        return f"&gt; {words.number(99.9, 1)} %"
    return f"{words.number(percent, 0 if percent in {0.0, 100.0} else 1)} %"


def _runs(spans: Sequence[LevelSpan], now_wall: float) -> Iterator[tuple[str, int, int]]:
    """Kind, first cell and number of cells of each run of one color."""
    begin = now_wall - BAND_SECONDS
    cells = [0] * _CELLS
    for span in spans:
        first = int((span.starts_wall - begin) / _CELL_SECONDS)
        last = int((span.ends_wall - begin) / _CELL_SECONDS)
        worst = _KINDS.index(_kind(span.level))
        for cell in range(max(0, first), min(_CELLS, last + 1)):
            cells[cell] = max(cells[cell], worst)
    at = 0
    for worst, group in groupby(cells):
        count = len(list(group))
        yield _KINDS[worst], at, count
        at += count


def _problems(spans: Sequence[LevelSpan], words: Translator) -> str:
    """The newest spans of filler, slate or off, as a table."""
    found = [span for span in reversed(spans) if _kind(span.level) not in {"item", "live"}]
    if not found:
        return ""
    rows = "".join(
        f"<tr><td>{time_tag(span.starts_wall)}</td><td>{words(f'band.{_kind(span.level)}')}</td>"
        f'<td class="number">{escape(words.span(span.ends_wall - span.starts_wall))}</td></tr>'
        for span in found[:_LISTED]
    )
    heads = "".join(f'<th scope="col">{words(key)}</th>' for key in ("band.from", "band.what", "band.duration"))
    more = f"<p>{words('band.more', count=len(found) - _LISTED)}</p>" if len(found) > _LISTED else ""
    return (
        f"<details><summary>{words('band.interruptions', count=len(found))}</summary>"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{more}</details>'
    )
