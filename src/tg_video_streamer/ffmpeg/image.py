"""Opens the operator's images and writes pictures, in child processes: the service never imports Pillow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

BAD_IMAGE_EXIT_CODE = 3
"""Of a child that cannot show what it was given; its stderr has one line for the operator."""
_MAX_PIXELS = 50_000_000


class BadImage(Exception):
    """The image is missing, damaged or too large, or the text cannot be drawn; the message is for the operator."""


def open_image(source: str | IO[bytes]) -> Image:
    """The image, upright and with transparency. Raises BadImage."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - only the child process has Pillow loaded

    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
    try:
        with Image.open(source) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise BadImage(f"it has more than {_MAX_PIXELS // 1_000_000} million pixels")
            return ImageOps.exif_transpose(opened).convert("RGBA")
    except UnidentifiedImageError as error:
        raise BadImage("it is not an image that can be read") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage(getattr(error, "strerror", None) or str(error)) from error


def png(image: Image) -> bytes:
    """The image as PNG, compressed little: it is read once."""
    target = BytesIO()
    image.save(target, "PNG", compress_level=1)
    return target.getvalue()


def answer(draw: Callable[[], bytes]) -> int:
    """Write what `draw` makes to stdout; the exit code of the child."""
    try:
        picture = draw()
    except BadImage as error:
        sys.stderr.write(f"{error}\n")
        return BAD_IMAGE_EXIT_CODE
    sys.stdout.buffer.write(picture)
    return 0
