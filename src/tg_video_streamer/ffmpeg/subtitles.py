"""Subtitles on the picture: the command that extracts text ones, and the filters that draw text and bitmaps; pure.

Text is extracted into one small Matroska file with its fonts, which the child reads from an inherited descriptor: libass
needs a file that it can read whole, and a source may be large, far away, or in another charset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.ffmpeg.generated import escaped
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.shape import fitted
from tg_video_streamer.ffmpeg.source import Picture
from tg_video_streamer.ffmpeg.tracks import Track
from tg_video_streamer.media import TICKS_PER_SECOND

_STYLED_CODECS = frozenset({"ass", "ssa"})
"""They state fonts, sizes and places, which are not changed."""
_STYLE = "Fontname=Roboto Medium,Fontsize=21,Outline=1.3,Shadow=0,MarginV=15"
"""In 288ths of the picture's height: 7 % of it, which can be read on a phone."""
_MOST_BYTES = 64 << 20
_COLORS = "scale=w={width}:h={height}:out_color_matrix=bt709:out_range=tv,format=yuva420p"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubtitlesInput:
    """The subtitles of one child."""

    track: Track
    shift_seconds: float
    """The time of the subtitles at the first picture."""
    file: int | None = None
    """The extracted file, which the child must inherit; None for bitmaps, which come from the source."""


def extract_command(ffmpeg: Path, track: Track, source: Sequence[str], font: Path, *, fonts: bool) -> list[str]:
    """Write text subtitles as Matroska to stdout. `source`: the arguments of the input; `fonts`: take its attachments too."""
    styled = track.codec in _STYLED_CODECS
    number = 0 if track.file else track.stream_index
    return [
        str(ffmpeg),
        *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "error"),
        *source,
        *("-map", f"0:s:{number}"),
        *(("-map", "0:t?", "-c:t", "copy") if fonts and not track.file else ()),
        *("-c:s", "copy" if styled else "ass"),
        # The font of other subtitles, and the last resort of styled ones on a host without fonts.
        *("-attach", str(font), f"-metadata:s:m:filename:{font.name}", "mimetype=application/x-truetype-font"),
        *("-f", "matroska", "-fs", str(_MOST_BYTES), "pipe:1"),
    ]


def text_input(track: Track) -> list[str]:
    """Input options and `-i` of a subtitle file in UTF-8 on stdin; its demuxer is set, since the text is not trusted."""
    demuxer = {"ass": "ass", "ssa": "ass", "webvtt": "webvtt"}.get(track.codec, "srt")
    return ["-protocol_whitelist", "pipe", "-format_whitelist", demuxer, "-f", demuxer, "-i", "pipe:0"]


def draw_trial(ffmpeg: Path, file: int) -> list[str]:
    """A command line that ends with 0 if `ffmpeg` can draw the extracted file, which it inherits."""
    return [
        str(ffmpeg),
        *("-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-f", "lavfi", "-i", "color=size=64x36:rate=25:duration=0.04"),
        # As in a feed: ffmpeg 5.1 tries a filter of `-vf` that fails again and again.
        *("-filter_complex", f"[0:v]subtitles=filename=/proc/self/fd/{file}[v]", "-map", "[v]", "-f", "null", "-"),
    ]


def subtitle_chains(
    subtitles: SubtitlesInput,
    picture: Picture | None,
    house: HouseFormat,
    *,
    trim_seconds: float,
    below: str,
    above: str,
) -> tuple[str, ...]:
    """Filter chains from the label `below`, a picture in house format that starts at 0, to `above`.

    `trim_seconds`: how much of the input is discarded before the first picture.
    """
    if subtitles.file is not None:
        return (f"{below}{_text(subtitles, picture, house)}{above}",)
    track = subtitles.track
    width, height = fitted(picture, house, width=track.width, height=track.height)
    back = f"setpts=PTS-{trim_seconds:.6f}/TB," if trim_seconds else ""
    return (
        f"[{track.input_index}:s:{track.stream_index}]{back}{_COLORS.format(width=width, height=height)}[subtitles]",
        f"{below}[subtitles]overlay=x=(W-w)/2:y=(H-h)/2:eof_action=pass{above}",
    )


def _text(subtitles: SubtitlesInput, picture: Picture | None, house: HouseFormat) -> str:
    ticks = round(subtitles.shift_seconds * TICKS_PER_SECOND)
    styled = subtitles.track.codec in _STYLED_CODECS
    style = "" if styled else f":force_style={escaped(_STYLE)}"
    draw = f"subtitles=filename=/proc/self/fd/{subtitles.file}{style}"
    width, height = fitted(picture, house)
    if styled and (width, height) != (house.width, house.height):
        # Its places are those of the picture, without the bars.
        draw = f"crop={width}:{height},{draw},pad={house.width}:{house.height}:-1:-1"
    # In a time base in which both shifts are whole, so that no picture moves.
    return (
        f"settb=1/{TICKS_PER_SECOND},setpts=PTS+{ticks},{draw},setpts=PTS-{ticks},settb=1/{house.frame_rate}"
        if ticks
        else draw
    )
