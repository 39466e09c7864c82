"""Draws a QR code for a terminal: two modules a character, dark on light whatever the terminal's own colours are."""

from __future__ import annotations

import segno

BORDER = 2
"""Light modules around the code; four are the standard, phones do with two, and terminals are small."""
_HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
_DARK_ON_LIGHT, _PLAIN = "\x1b[30;107m", "\x1b[0m"


def qr_lines(text: str, *, colours: bool) -> list[str]:
    """The lines of the drawing, about half as many as characters in each.

    Without `colours` the light modules are drawn, as a terminal without them is most often light on dark.
    """
    code = segno.make(text, error="l", micro=False)
    rows = [[int(module) for module in row] for row in code.matrix_iter(border=BORDER)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        pairs = zip(upper, lower, strict=True)
        if colours:
            drawn = "".join(_HALVES[pair] for pair in pairs)
            lines.append(f"{_DARK_ON_LIGHT}{drawn}{_PLAIN}")
        else:
            lines.append("".join(_HALVES[1 - above, 1 - below] for above, below in pairs))
    return lines
