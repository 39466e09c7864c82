"""Command lines for generated pictures: the slate and the test clips."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.ffmpeg.encode import house_arguments, picture_filters
from tg_video_streamer.ffmpeg.hardware import device_arguments, upload
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import GOP_SECONDS

_CLIP_RATE = 30
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "warning")


def plain_picture(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """A PPM of one color, for `still_command`; ffmpeg recognizes it only with each part of its header on a line."""
    return b"P6\n%d %d\n255\n" % (width, height) + bytes(color) * (width * height)


def still_command(house: HouseFormat, ffmpeg: Path) -> list[str]:
    """One GOP of the picture from stdin (PNG or PPM), with silence, in house format on stdout."""
    # The silence ends by itself: with -t, ffmpeg 7 ends the picture with the last whole packet of sound, two frames early.
    silence = f"anullsrc=sample_rate=48000:channel_layout=stereo:duration={GOP_SECONDS}"
    return [
        str(ffmpeg),
        *_QUIET,
        *device_arguments(house),
        *("-f", "image2pipe", "-framerate", str(house.frame_rate), "-i", "pipe:0"),
        *("-f", "lavfi", "-i", silence),
        *("-map", "0:v", "-map", "1:a"),
        # Scaled once, then repeated.
        *("-vf", f"{picture_filters(house)},loop=loop=-1:size=1,setpts=N/{house.frame_rate}/TB{upload(house)}"),
        *("-frames:v", str(house.frame_rate.gop_frames)),
        *house_arguments(house),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class TestClip:
    """A moving test picture of 1280x720 at 30 fps with a number, a running clock and a tone."""

    __test__ = False  # not a test, despite the name

    picture: str
    """A lavfi source of 1280x720 at 30 fps without an end."""
    number: str
    caption: str
    tone_hertz: int
    seconds: int


def clip_command(clip: TestClip, ffmpeg: Path, font: Path, destination: Path) -> list[str]:
    """Write the clip as MP4 to `destination`, which is overwritten."""
    return [
        str(ffmpeg),
        *(*_QUIET, "-y"),
        *("-f", "lavfi", "-i", clip.picture),
        *("-f", "lavfi", "-i", f"color=color=white:size=6x440:rate={_CLIP_RATE}"),
        *("-f", "lavfi", "-i", f"sine=frequency={clip.tone_hertz}:sample_rate=48000"),
        *("-filter_complex", _clip_graph(clip, font), "-map", "[v]", "-map", "2:a"),
        *("-t", str(clip.seconds)),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-g", str(_CLIP_RATE * GOP_SECONDS)),
        *("-c:a", "aac", "-b:a", "96k", "-ac", "2"),
        *("-movflags", "+faststart", "-f", "mp4", str(destination)),
    ]


def _clip_graph(clip: TestClip, font: Path) -> str:
    words = f"drawtext=fontfile={escaped(str(font))}:fontcolor=white"
    steps = (
        "drawbox=x=0:y=440:w=iw:h=280:color=0x0b0e16:t=fill",
        f"{words}:fontsize=260:x=70:y=460:expansion=none:text={escaped(clip.number)}",
        f"{words}:fontsize=84:x=284:y=490:text={escaped('%{pts:hms}')}",
        f"{words}:fontsize=40:x=304:y=610:alpha=0.75:expansion=none:text={escaped(clip.caption)}",
        "format=yuv420p",
    )
    return f"[0:v][1:v]overlay=x='mod(t*240,W)':y=0,{','.join(steps)}[v]"


def escaped(text: str) -> str:
    r"""`text` as an option's value in a filter graph: once for the option list (`\ ' :`), once for the graph.

    Source: ffmpeg-filters(1), "Notes on filtergraph escaping".
    """
    for_options = re.sub(r"([\\':])", r"\\\1", text)
    return re.sub(r"([\\'\[\],;])", r"\\\1", for_options)
