"""Draws a logo or a title for the picture; runs as a child, so that the service never opens a foreign image.

`python -m tg_video_streamer.feed.overlay.draw` reads a line of JSON from stdin, and for a logo the image's bytes after it;
it writes a PNG with transparency to stdout. Exit code 3 with one line on stderr: the image or title cannot be shown.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tg_video_streamer.ffmpeg.binary import roboto
from tg_video_streamer.ffmpeg.image import BadImage, answer, open_image, png

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

DESIGN = "1"
"""Changed when the same logo gets another size or position: cached encodes that show it are then encoded again."""

_LOGO_PARTS = (4 / 15, 0.11)
"""Width and height of a logo's box, as parts of the frame's shorter side."""
_LETTERS_PART = 0.042
_WIDEST_PART, _WIDEST_UPRIGHT_PART = 0.62, 0.8
"""Of the frame's width."""
_PLATE = (11, 14, 22, 190)
_ACCENT = (92, 160, 255, 255)
_WHITE = (255, 255, 255, 255)
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
_MOST_FONTS = 200
_MOST_LETTERS = 400
_JOINERS = "\u200c\u200d"
_NOWHERE = "\U0010fffd"
"""No font has this character: it is drawn like every missing character."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The size of the program's picture."""

    width: int
    height: int

    @property
    def shorter(self) -> int:
        """The side that sizes are parts of: in an upright frame letters by the height would be twice as large."""
        return min(self.width, self.height)


def draw_logo(data: bytes, frame: Frame) -> bytes:
    """The image without its transparent edges, scaled to the box of logos. Raises BadImage."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - only the child process has Pillow loaded

    logo = open_image(BytesIO(data))
    seen = logo.getchannel("A").getbbox()
    if seen is None:
        raise BadImage.of("image.transparent")
    box = (round(frame.shorter * _LOGO_PARTS[0]), round(frame.shorter * _LOGO_PARTS[1]))
    return png(ImageOps.contain(logo.crop(seen), box, Image.Resampling.LANCZOS))


def draw_caption(text: str, frame: Frame) -> bytes:
    """The title on a dark plate; missing characters are left out, a long title ends in an ellipsis. Raises BadImage."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only the child process has Pillow loaded

    size = round(frame.shorter * _LETTERS_PART)
    widest = _WIDEST_PART if frame.width > frame.height else _WIDEST_UPRIGHT_PART
    font, shown = _lettered(one_line(text), size)
    shown = _shortened(shown, font, frame.width * widest)
    left, top, right, bottom = font.getbbox(shown, anchor="ls")
    ascent, descent = max(-top, size * 0.8), max(bottom, size * 0.25)
    pad = size * 0.55
    width, height = round(right - left + 2.6 * pad), round(ascent + descent + 1.2 * pad)
    plate = Image.new("RGBA", (width + width % 2, height + height % 2), _PLATE)
    pen = ImageDraw.Draw(plate)
    pen.rectangle((0, 0, max(2, round(size * 0.12)), plate.height), fill=_ACCENT)
    pen.text((1.4 * pad - left, 0.6 * pad + ascent), shown, font=font, fill=_WHITE, anchor="ls")
    return png(plate)


def one_line(text: str) -> str:
    """`text` in one line, without invisible characters: controls, direction marks, lone surrogates."""
    spaced = (" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", text[:_MOST_LETTERS]))
    seen = "".join(one for one in spaced if unicodedata.category(one)[0] != "C" or one in _JOINERS)
    # Between letters they belong to the spelling; in an emoji their neighbors may be gone.
    return " ".join(re.sub(rf"(?<!\w)[{_JOINERS}]+", "", seen).split())


def _lettered(line: str, size: int) -> tuple[FreeTypeFont, str]:
    """The first font with every letter of `line`, else the one with most, and the part of the line that it has."""
    from PIL import features  # noqa: PLC0415 - only the child process has Pillow loaded

    if _runs_leftwards(line) and not features.check_feature("raqm"):
        raise BadImage.of("image.no_fribidi")
    letters = {letter for letter in line if unicodedata.category(letter)[0] in "LMN"}
    best: tuple[int, FreeTypeFont] | None = None
    for font in _fonts(size):
        found = sum(_has(font, letter) for letter in letters)
        if best is None or found > best[0]:
            best = (found, font)
        if found == len(letters):
            break
    if best is None or (letters and not best[0]):
        raise BadImage.of("image.no_font")
    font = best[1]
    shown = one_line("".join(letter for letter in line if letter in _JOINERS or _has(font, letter)))
    if not shown.strip(f" {_JOINERS}"):
        raise BadImage.of("image.no_characters")
    return font, shown


def _runs_leftwards(line: str) -> bool:
    return any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in line)


def _fonts(size: int) -> Iterator[FreeTypeFont]:
    """Roboto, then the host's fonts, plain ones first."""
    from PIL import ImageFont  # noqa: PLC0415 - only the child process has Pillow loaded

    yield ImageFont.truetype(str(roboto("Medium")), size)
    yield from _host_fonts(size)


@cache
def _host_fonts(size: int) -> tuple[FreeTypeFont, ...]:
    from PIL import ImageFont  # noqa: PLC0415 - only the child process has Pillow loaded

    files = [path for folder in _FONT_FOLDERS for path in Path(folder).rglob("*.[to]t[fc]")]
    fonts = []
    for path in sorted(files, key=_rank)[:_MOST_FONTS]:
        # A bitmap font, or no font at all.
        with suppress(OSError):
            fonts.append(ImageFont.truetype(str(path), size))
    return tuple(fonts)


def _rank(path: Path) -> tuple[bool, bool, str]:
    """Upright sans fonts of regular weight before all others."""
    name = path.stem.lower()
    odd = ("bold", "italic", "oblique", "light", "thin", "black", "condensed", "mono", "serif", "math")
    return any(word in name for word in odd), "sans" not in name, str(path)


@lru_cache(maxsize=10_000)
def _has(font: FreeTypeFont, letter: str) -> bool:
    """Whether `font` has it; Pillow does not say, but draws the same box for every missing character."""
    if letter.isspace():
        return True
    mask, missing = font.getmask(letter), font.getmask(_NOWHERE)
    return (mask.size, bytes(mask)) != (missing.size, bytes(missing))


def _shortened(line: str, font: FreeTypeFont, width: float) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1].rstrip()
    return f"{line}…"


def main() -> int:
    """Draw what stdin specifies."""
    question: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    frame = Frame(width=question["width"], height=question["height"])
    if "caption" in question:
        return answer(lambda: draw_caption(question["caption"], frame))
    return answer(lambda: draw_logo(sys.stdin.buffer.read(), frame))


if __name__ == "__main__":
    sys.exit(main())
