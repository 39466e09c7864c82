"""The last 24 hours as one line of cells, level by level; pure."""

from __future__ import annotations

from rich.text import Text

from tg_video_streamer.asrun.history import BAND_SECONDS, History

_CELLS = {
    "slate": ("▂", ".", "red"),
    "filler": ("▅", "-", "yellow"),
    "live": ("▇", "#", "magenta"),
    "item": ("▇", "=", "green"),
}
"""By level, the lowest first: in a terminal with such letters, in one without, and the colour."""
_OFF = ("·", " ", "dim")


def band(history: History, *, cells: int, now_wall: float, ascii_only: bool) -> Text:
    """`cells` cells up to now; each shows the lowest level in its time, so that no slate is lost for being short."""
    seconds = BAND_SECONDS / max(1, cells)
    begin = now_wall - BAND_SECONDS
    seen: list[set[str]] = [set() for _ in range(cells)]
    for span in history.spans:
        first = max(0, int((span.starts_wall - begin) / seconds))
        # The end of a span belongs to what follows.
        last = min(cells - 1, int((span.ends_wall - begin - 1e-6) / seconds))
        for cell in range(first, last + 1):
            seen[cell].add(span.level)
    line = Text()
    for levels in seen:
        fine, plain, style = next((look for level, look in _CELLS.items() if level in levels), _OFF)
        line.append(plain if ascii_only else fine, style)
    return line
