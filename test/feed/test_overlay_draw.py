"""Titles and logos as images: any title gives a readable plate of bounded size, or none."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tg_video_streamer.feed.overlay.draw import Frame, draw_caption, draw_logo, one_line
from tg_video_streamer.ffmpeg.image import BadImage

FRAME = Frame(width=854, height=480)
PLAIN = ("Big Buck Bunny", 'It\'s 100% "so": a\\b, [c];{d} %{pts}', "Война и мир", "a\nb\tc\x1b[31m d")


def _opened(png: bytes) -> Image.Image:
    picture = Image.open(BytesIO(png))
    picture.load()
    return picture


def _png(picture: Image.Image) -> bytes:
    target = BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


@settings(max_examples=25)
@given(text=st.text(max_size=80) | st.text(alphabet="אבגدسملا😀👩\u200d%:'\"\\,;[]{}()", max_size=30))
@example("x" * 1000)
@example("\ud800")
@example("\u202eevil\u202c")
def test_any_title_is_a_plate_within_the_picture_or_none(text: str) -> None:
    """No title breaks the drawing, exceeds the picture, or has a control character."""
    assert not any(letter in one_line(text) for letter in "\n\r\t\x1b\u202e\ud800")
    try:
        plate = _opened(draw_caption(text, FRAME))
    except BadImage:
        return
    assert plate.mode == "RGBA"
    assert plate.width < 0.7 * FRAME.width
    assert plate.height < 0.15 * FRAME.height


@pytest.mark.parametrize("text", PLAIN)
def test_a_title_is_written_in_white_on_a_dark_plate(text: str) -> None:
    """Also with every character that is special to ffmpeg, a shell or a terminal."""
    plate = _opened(draw_caption(text, FRAME))
    assert sum(plate.convert("L").histogram()[200:]) > 100


def test_what_no_font_has_is_left_out() -> None:
    """An emoji leaves no empty box: the title looks as it does without it."""
    assert draw_caption("A day \U0001f9ff out", FRAME) == draw_caption("A day out", FRAME)
    with pytest.raises(BadImage, match="font"):
        draw_caption("\U0001f9ff\U0001f9ff", FRAME)


def test_words_from_right_to_left_are_written_so() -> None:
    """The first letter of a Hebrew word is at the right."""
    one, two = (_opened(draw_caption(word, FRAME)).convert("L") for word in ("\u05d0\u05dd", "\u05dd\u05dd"))
    assert one.height == two.height
    right = one.crop((one.width // 2, 0, one.width, one.height))
    assert right.tobytes() != two.crop((two.width - right.width, 0, two.width, two.height)).tobytes()
    left = (6, 0, one.width // 2 - 3, one.height)
    assert one.crop(left).tobytes() == two.crop(left).tobytes()


def test_a_logo_is_fitted_without_its_transparent_edges() -> None:
    """A logo has its aspect ratio and always the same size, at any resolution of the file."""
    small, large = Image.new("RGBA", (80, 60)), Image.new("RGBA", (1600, 1200))
    for logo in (small, large):
        scale = logo.width // 80
        logo.paste((200, 0, 0, 255), (10 * scale, 10 * scale, 50 * scale, 40 * scale))
    sizes = {_opened(draw_logo(_png(logo), FRAME)).size for logo in (small, large)}
    assert sizes == {(71, 53)}


@pytest.mark.parametrize(
    "data", [b"", b"no picture", _png(Image.new("RGBA", (9, 9)))[:40], _png(Image.new("RGBA", (9, 9)))]
)
def test_a_file_that_is_no_logo_is_refused(data: bytes) -> None:
    """An empty file, no image, half of one, and a transparent one."""
    with pytest.raises(BadImage):
        draw_logo(data, FRAME)
