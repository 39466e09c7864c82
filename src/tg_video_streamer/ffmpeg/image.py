"""Opens the operator's images and writes pictures, in child processes: the service never imports Pillow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from typing import IO, TYPE_CHECKING

from tg_video_streamer.errors import StreamerError
from tg_video_streamer.locales.message import Message

if TYPE_CHECKING:
    from PIL.Image import Image

BAD_IMAGE_EXIT_CODE = 3
"""Of a child that cannot show what it was given; its stderr has the message, see `bad_image`."""
_MAX_PIXELS = 50_000_000


class BadImage(StreamerError):
    """The image is missing, damaged or too large, or the text cannot be drawn."""

    reason = "bad_image"


def open_image(source: str | IO[bytes]) -> Image:
    """The image, upright and with transparency. Raises BadImage."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - only the child process has Pillow loaded

    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
    try:
        with Image.open(source) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise BadImage.of("image.too_large", millions=_MAX_PIXELS // 1_000_000)
            return ImageOps.exif_transpose(opened).convert("RGBA")
    except UnidentifiedImageError as error:
        raise BadImage.of("image.no_image") from error
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
        sys.stderr.write(f"{json.dumps(asdict(error.message))}\n")
        return BAD_IMAGE_EXIT_CODE
    sys.stdout.buffer.write(picture)
    return 0


def bad_image(stderr: str) -> BadImage:
    """The error of a child that ended with BAD_IMAGE_EXIT_CODE."""
    return BadImage(Message.from_json(json.loads(stderr.strip().splitlines()[-1])))
