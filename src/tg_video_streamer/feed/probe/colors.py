"""The colors of a picture, completed by the standards' rules where they are half stated; only the probe's child imports it."""

from __future__ import annotations

from typing import Any

_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}
"""PQ and HLG by their number in ITU-T H.273, and their names in ffmpeg."""
_PRIMARIES = {1: "bt709", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
_CONVERTED_PRIMARIES = {
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    11: "smpte431",
    12: "smpte432",
}
"""Those that the colorspace filter knows, by its name, but for BT.709."""
_COEFFICIENTS = {0: "gbr", 1: "bt709", 9: "bt2020nc", 10: "bt2020c", 14: "ictcp"}
_MATRICES = {1: "bt709", 9: "bt2020", 10: "bt2020"}
_RGB_FORMATS = ("rgb", "bgr", "gbr", "argb", "abgr", "rgba", "bgra", "pal8", "0rgb", "0bgr")
_ALPHA_FORMATS = ("argb", "abgr", "rgba", "bgra", "yuva", "gbrap", "ya8", "ya16", "pal8")
_UNSTATED = 2
_DOLBY_VISION_TAGS = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
_DOLBY_VISION_CODECS = frozenset({"hevc", "av1", "libdav1d"})
_DOLBY_VISION_DATA = frozenset({"DOVI_RPU_BUFFER", "DOVI_METADATA"})


def high_dynamic_range(frame: Any, context: Any) -> str:
    """All colors of a PQ or HLG picture as options of ffmpeg's setparams; empty for any other picture.

    Who states the transfer alone means BT.2100, which has the primaries and the matrix of BT.2020.
    """
    transfer = _TRANSFERS.get(_stated("color_trc", frame, context))
    if transfer is None:
        return ""
    primaries = _PRIMARIES.get(_stated("color_primaries", frame, context), "bt2020")
    rgb = (context.pix_fmt or "").startswith(_RGB_FORMATS)
    matrix = "gbr" if rgb else _COEFFICIENTS.get(_stated("colorspace", frame, context) or _UNSTATED, "bt2020nc")
    signal_range = "pc" if rgb or full_range(frame, context) else "tv"
    return f"color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}:range={signal_range}"


def only_dolby_vision(frame: Any, context: Any) -> bool:
    """Whether it is Dolby Vision without a base layer (profiles 5 and 10.0), whose colors ffmpeg cannot convert.

    A base layer states its transfer; without one all is unstated, since the colors (IPT-PQ-c2) are in no standard.
    """
    unstated = all(
        (_stated(name, frame, context) or _UNSTATED) == _UNSTATED for name in ("color_trc", "color_primaries")
    )
    if not unstated or context.codec_tag in _DOLBY_VISION_TAGS:
        return unstated
    return context.name in _DOLBY_VISION_CODECS and frame is not None and _has_dolby_data(frame)


def _has_dolby_data(frame: Any) -> bool:
    try:
        return any(one.type.name in _DOLBY_VISION_DATA for one in frame.side_data)
    except ValueError:
        # PyAV lists none of a picture's data where it does not know the kind of one, such as a photo's EXIF.
        return False


def has_alpha(context: Any) -> bool:
    """Whether its pixels may be transparent."""
    return (context.pix_fmt or "").startswith(_ALPHA_FORMATS)


def matrix(frame: Any, context: Any) -> str:
    """Matrix coefficients (ITU-T H.273); if not stated, what players assume for the picture's size."""
    if (context.pix_fmt or "").startswith(_RGB_FORMATS):
        return "rgb"
    stated = _stated("colorspace", frame, context) or _UNSTATED
    if stated == _UNSTATED:
        return "bt709" if max(context.width, context.height) >= 1280 else "bt601"
    return _MATRICES.get(stated, "bt601")


def primaries(frame: Any, context: Any) -> str:
    """Color primaries; if not stated, those of BT.2020 with its matrix, else BT.709, in which most of that is made."""
    stated = _stated("color_primaries", frame, context) or _UNSTATED
    if stated == _UNSTATED and matrix(frame, context) == "bt2020":
        return "bt2020"
    return _CONVERTED_PRIMARIES.get(stated, "bt709")


def full_range(frame: Any, context: Any) -> bool:
    """Whether black is 0 and white 255."""
    return _stated("color_range", frame, context) == 2 or (context.pix_fmt or "").startswith("yuvj")


def _stated(name: str, frame: Any, context: Any) -> int:
    """What the first picture states, else the stream; 0 or 2 where neither does."""
    return int((getattr(frame, name) if frame is not None else None) or getattr(context, name) or 0)
