"""Fits a picture of any shape and color into the frame of the program: filters, and where the picture lies; pure."""

from __future__ import annotations

from dataclasses import replace

from tg_video_streamer.ffmpeg.encode import COLOR_TAGS
from tg_video_streamer.ffmpeg.house import Economy, HouseFormat
from tg_video_streamer.ffmpeg.source import Picture
from tg_video_streamer.media import Fit

BACKGROUND_COLOR = "0x1d2b44"
"""Shown with sound that has no picture."""
CROPPED_PART = 0.25
"""The most of a picture that `Fit.CROP` cuts off."""
_SAME_SHAPE = 0.01
"""Shapes that differ by less leave bars that nobody sees."""
_BACKDROP_PART = 8
"""The backdrop is blurred at an eighth of its size, which costs a 64th and looks the same."""

# The darker part, up to 30 of the 100 cd/m2 of a standard screen, keeps its light; what is brighter is compressed, and nothing
# is cut off. Hable's curve, which ffmpeg's documentation shows, makes all of it darker by half.
_TONE_MAPPING = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:param=0.3:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)
_MATRIX_NAMES = {"bt601": "smpte170m", "bt2020": "bt2020ncl"}
"""Of the scale filter, as the colorspace filter has them."""
_WIDE = frozenset({"bt2020", "smpte431", "smpte432"})
_USUAL_GAMMA, _WIDE_GAMMA = "bt470m", "bt470bg"
"""2.2 and 2.8: the filter has no 2.4, a screen's gamma, and stripes of a test card come nearest to it with these."""
_FINISHED = f"setsar=1,format=yuv420p,{COLOR_TAGS}"
_EACH_PICTURE = "eval=frame"
"""The aspect ratio may change without the size, as where a broadcast changes from 4:3 to 16:9; costs nothing without."""


def shape(picture: Picture, house: HouseFormat) -> str:
    """The filters from a source's pictures to those of the program, without their rate."""
    fit = chosen_fit(picture, house)
    cut = f"{_cropped(house)}," if fit is Fit.CROP else ""
    placed = _backdrop(picture, house) if fit is Fit.BLUR else _padded(house)
    return f"{cut}{_scaled(picture, house)},{placed},{_converted(picture)}{_FINISHED}"


def framed(house: HouseFormat) -> str:
    """Bars around a fitted picture, square pixels, house colors."""
    return f"{_padded(house)},{_FINISHED}"


def chosen_fit(picture: Picture, house: HouseFormat) -> Fit:
    """The fit of a picture: PAD where its shape is the program's, or where cropping would cost too much."""
    aspect, wanted = display_aspect(picture), house.width / house.height
    kept = min(aspect / wanted, wanted / aspect)
    if kept >= 1 - _SAME_SHAPE or (house.fit is Fit.CROP and kept < 1 - CROPPED_PART):
        return Fit.PAD
    return house.fit


def display_aspect(picture: Picture) -> float:
    """Its width by its height as it is seen."""
    across, _, down = picture.sample_aspect.partition(":")
    sample = float(across) / float(down) if down and float(across) > 0 and float(down) > 0 else 1.0
    aspect = picture.width * sample / picture.height if picture.width and picture.height else 16 / 9
    return 1 / aspect if picture.rotation % 180 else aspect


def fitted(picture: Picture | None, house: HouseFormat, *, width: int = 0, height: int = 0) -> tuple[int, int]:
    """The size of the picture inside the house frame, without bars; with `width` and `height` that of a canvas.

    A canvas of the picture's own size has its shape; any other has square pixels, as on a disc whose film is cropped.
    """
    if picture is None or chosen_fit(picture, house) is Fit.CROP:
        return house.width, house.height
    aspect = display_aspect(picture)
    if width and height and (width, height) != (picture.width, picture.height) and width >= 1280:
        aspect = width / height
    return 2 * round(min(house.width, house.height * aspect) / 2), 2 * round(
        min(house.height, house.width / aspect) / 2
    )


def _padded(house: HouseFormat) -> str:
    return f"pad={house.width}:{house.height}:-1:-1:{_EACH_PICTURE}"


def _cropped(house: HouseFormat) -> str:
    """Cut the middle out in the program's shape. Before scaling: the filter reads its size once a graph."""
    wanted = f"{house.width}/{house.height}"
    kept = f"min(dar*{house.height}/{house.width}\\,{wanted}/dar)"
    # A picture at the very limit must not depend on the last digit.
    few = f"gte({kept}\\,{1 - CROPPED_PART - 0.001:.3f})"
    width = f"if({few}\\,2*floor(min(iw\\,ih*{wanted}/sar)/2)\\,iw)"
    height = f"if({few}\\,2*floor(min(ih\\,iw*sar/({wanted}))/2)\\,ih)"
    return f"crop=w='{width}':h='{height}'"


def _backdrop(picture: Picture, house: HouseFormat) -> str:
    """The fitted picture in front of itself, enlarged over the whole frame and blurred."""
    width, height = (max(16, 2 * round(side / _BACKDROP_PART / 2)) for side in (house.width, house.height))
    wide = f"w='2*ceil(max({width}\\,{height}*dar)/2)':h='2*ceil(max({height}\\,{width}/dar)/2)'"
    middle = f"overlay=x=(W-w)/2:y=(H-h)/2{':format=yuv420p10' if picture.high_dynamic_range else ''}"
    return (
        "split=3[front][canvas][wide];"
        f"[canvas]scale={width}:{height},setsar=1[frame];[wide]scale={wide}:{_EACH_PICTURE},setsar=1[over];"
        f"[frame][over]{middle},gblur=sigma={height / 18:.2f}:steps=2,"
        f"scale={house.width}:{house.height}:flags=bilinear[backdrop];"
        f"[backdrop][front]{middle}"
    )


def _scaled(picture: Picture, house: HouseFormat) -> str:
    """Scale to the largest size that fits the frame in the source's display aspect ratio, in house colors."""
    if picture.alpha:
        # On its own size in the house color: a transparent pixel has any color.
        seen = _fit(replace(picture, matrix="rgb"), house)
        red, green, blue = bytes.fromhex(BACKGROUND_COLOR.removeprefix("0x"))
        # Not `drawbox`, which crashes ffmpeg 5.1 on pictures with alpha.
        below = f"lutrgb=r={red}:g={green}:b={blue}:a=255"
        return f"format=rgba,split[over][under];[under]{below}[color];[color][over]overlay=format=rgb,{seen}"
    if not picture.high_dynamic_range:
        return _fit(picture, house)
    # Scaled before its light is compressed: the cost of that grows with the number of pixels.
    scaled = f"setparams={picture.high_dynamic_range},scale={_size(house)}:{_EACH_PICTURE}"
    if picture.matrix == "rgb":
        return (
            f"{scaled}:out_color_matrix=bt2020:out_range=tv,format=yuv420p10le,setparams=colorspace=bt2020nc:range=tv"
        )
    return f"{scaled},format=yuv420p10le"


def _fit(picture: Picture, house: HouseFormat) -> str:
    cheap = "" if house.economy is Economy.NONE else ":flags=fast_bilinear"
    return f"scale={_size(house)}:{_EACH_PICTURE}{cheap}{_range(picture)}"


def _size(house: HouseFormat) -> str:
    width = f"2*round(min({house.width},{house.height}*dar)/2)"
    height = f"2*round(min({house.height},{house.width}/dar)/2)"
    return f"w='{width}':h='{height}'"


def _range(picture: Picture) -> str:
    """Range options of the scale filter; empty if none is needed, because any of them makes it process every pixel."""
    if picture.matrix in {"rgb", "auto"}:
        return ":out_color_matrix=bt709:out_range=tv"
    return ":in_range=pc:out_range=tv" if picture.full_range else ""


def _converted(picture: Picture) -> str:
    """The filters to BT.709 with a comma behind them; empty for what is BT.709.

    Not by `scale`, which shows gray as green and keeps the primaries. In the whole frame: `colorspace` bears no change of
    size, and `zscale` stretches what comes after one to the size before.
    """
    if picture.high_dynamic_range:
        return f"{_TONE_MAPPING},"
    known = picture.alpha or picture.matrix in {"rgb", "auto"}
    matrix = "bt709" if known else _MATRIX_NAMES.get(picture.matrix, picture.matrix)
    if matrix == picture.primaries == "bt709":
        return ""
    gamma = _WIDE_GAMMA if picture.primaries in _WIDE else _USUAL_GAMMA
    given = f"ispace={matrix}:iprimaries={picture.primaries}:itrc={gamma}:irange=tv"
    wanted = f"space=bt709:primaries=bt709:trc={gamma}:range=tv:format=yuv420p"
    return f"format=yuv420p|yuv420p10le,colorspace={given}:{wanted},"
