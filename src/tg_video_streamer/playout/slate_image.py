"""Draws the slate image in a child process: the service never imports Pillow or opens images.

`python -m tg_video_streamer.playout.slate_image` reads a `SlateImageRequest` as JSON on stdin and writes a PNG of exactly that size to
stdout. Exit code 3 with one line on stderr: the operator's image cannot be used.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tg_video_streamer.ffmpeg.binary import roboto
from tg_video_streamer.ffmpeg.image import answer, open_image, png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

_NIGHT = (11, 14, 22)
# The same hue, lighter: a gradient of hues leaves the encoder as colored rings.
_GLOW = (37, 40, 48)
_ACCENT = (92, 160, 255)
_WHITE = (240, 243, 248)
_GREY = (160, 171, 190)


@dataclass(frozen=True, kw_only=True, slots=True)
class SlateImageRequest:
    """A large line, a smaller one below it, and the operator's image behind them."""

    width: int
    height: int
    text: str
    """May be empty with an image."""
    reason: str
    """May be empty."""
    image: str
    """Path of the background image; empty: the plain dark background."""


def draw(request: SlateImageRequest) -> bytes:
    """The slate image as PNG. Raises BadImage."""
    if request.image:
        image = _background_image(request)
        _draw_on_image(image, request)
    else:
        image = _plain_background(request)
        _draw_centered(image, request)
    return png(image)


def _background_image(request: SlateImageRequest) -> Image:
    """The image, fitted into the frame and never stretched, on the plain background."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - only the child process has Pillow loaded

    fitted = ImageOps.contain(open_image(request.image), (request.width, request.height), Image.Resampling.LANCZOS)
    image = Image.new("RGB", (request.width, request.height), _NIGHT)
    corner = ((request.width - fitted.width) // 2, (request.height - fitted.height) // 2)
    image.paste(fitted, corner, fitted)
    return image


def _plain_background(request: SlateImageRequest) -> Image:
    """A dark background with a faint glow. No noise against banding: it made the GOP ten times as large."""
    from PIL import Image  # noqa: PLC0415 - only the child process has Pillow loaded

    size = (request.width, request.height)
    glow = Image.eval(Image.radial_gradient("L"), lambda level: max(0, 200 - level)).resize(size)
    return Image.composite(Image.new("RGB", size, _GLOW), Image.new("RGB", size, _NIGHT), glow)


def _draw_centered(image: Image, request: SlateImageRequest) -> None:
    from PIL import ImageDraw  # noqa: PLC0415 - only the child process has Pillow loaded

    pen = ImageDraw.Draw(image)
    unit = min(request.width, request.height) / 100
    large, title = _fitted(pen, request.text, "Medium", round(9 * unit), request)
    small, reason = _fitted(pen, request.reason, "Regular", round(4 * unit), request)
    title_height = _height(pen, title, large)
    gap = 5 * unit if title and reason else 0.0
    top = (request.height - title_height - gap - _height(pen, reason, small)) / 2
    middle = request.width / 2
    if title:
        bar = (middle - 5 * unit, top - 5 * unit, middle + 5 * unit, top - 4.4 * unit)
        pen.rounded_rectangle(bar, radius=0.3 * unit, fill=_ACCENT)
    pen.multiline_text((middle, top), title, fill=_WHITE, font=large, anchor="ma", align="center")
    below = (middle, top + title_height + gap)
    pen.multiline_text(below, reason, fill=_GREY, font=small, anchor="ma", align="center")


def _draw_on_image(image: Image, request: SlateImageRequest) -> None:
    """The text at the lower left on a shade: the image stays visible and the text readable."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only the child process has Pillow loaded

    if not (request.text or request.reason):
        return
    pen = ImageDraw.Draw(image)
    unit = min(request.width, request.height) / 100
    large, title = _fitted(pen, request.text, "Medium", round(7 * unit), request)
    small, reason = _fitted(pen, request.reason, "Regular", round(3.6 * unit), request)
    title_height = _height(pen, title, large)
    gap = 2.5 * unit if title and reason else 0.0
    top = request.height - 7 * unit - title_height - gap - _height(pen, reason, small)
    shade_top = max(0, round(top - 14 * unit))
    size = (request.width, request.height - shade_top)
    shade = Image.linear_gradient("L").resize(size).point(lambda level: min(225, level * 2))
    image.paste(Image.new("RGB", size, _NIGHT), (0, shade_top), shade)
    left = 6 * unit
    pen.multiline_text((left, top), title, fill=_WHITE, font=large)
    pen.multiline_text((left, top + title_height + gap), reason, fill=_GREY, font=small)


def _fitted(pen: ImageDraw, text: str, face: str, size: int, request: SlateImageRequest) -> tuple[FreeTypeFont, str]:
    """The largest font, up to `size` pixels, with which the wrapped text takes at most half of the image.

    A long word makes it smaller, down to half of `size`; then the word is broken.
    """
    limit = (request.width * 0.86, request.height * 0.5)
    smallest_whole = size / 2
    while True:
        font = _font(face, size)
        wrapped = "\n".join(_wrapped(pen, line, font, limit[0]) for line in text.splitlines())
        left, top, right, bottom = pen.multiline_textbbox((0, 0), wrapped, font=font)
        broken = size > smallest_whole and any(pen.textlength(word, font=font) > limit[0] for word in text.split())
        if size <= 10 or (right - left <= limit[0] and bottom - top <= limit[1] and not broken):
            return font, wrapped
        size = max(10, round(size * 0.85))


def _wrapped(pen: ImageDraw, line: str, font: FreeTypeFont, width: float) -> str:
    """Break the line at spaces, and inside a word that is too long alone."""
    lines: list[str] = []
    for word in line.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pen.textlength(longer, font=font) <= width:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and pen.textlength(lines[-1] + letter, font=font) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(lines)


def _height(pen: ImageDraw, text: str, font: FreeTypeFont) -> float:
    return float(pen.multiline_textbbox((0, 0), text, font=font)[3]) if text else 0.0


def _font(face: str, size: int) -> FreeTypeFont:
    from PIL import ImageFont  # noqa: PLC0415 - only the child process has Pillow loaded

    return ImageFont.truetype(str(roboto(face)), size)


def main() -> int:
    """Draw the request on stdin."""
    request = SlateImageRequest(**json.load(sys.stdin))
    return answer(lambda: draw(request))


if __name__ == "__main__":
    sys.exit(main())
