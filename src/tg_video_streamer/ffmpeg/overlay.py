"""Inputs and filters of the overlay: logo, clock and title; pure.

Images and the clock's text reach the child on inherited descriptors: they need no escaping, and are not on the command
line, which every user of the host can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.ffmpeg.generated import escaped
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import FrameRate

MARGIN_PART = 0.05
"""The distance from the edges, as a part of the frame's shorter side."""
CAPTION_SECONDS = 9.0
"""How long the title stays, from the item's first frame on."""
CAPTION_LATE_SECONDS = 1.0
CAPTION_FADE_SECONDS = 0.8
CLOCK_BYTES = 48
"""The fixed size of `clock_text`, so that one write replaces the previous text."""

_CLOCK_PART = 0.055
"""The clock's font size, as a part of the frame's shorter side."""
# Without it ffmpeg reads ordinary images as BT.601 and shows them as BT.709.
_COLORS = "scale=out_color_matrix=bt709:out_range=tv,format=yuva420p"


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlayInput:
    """The overlay as descriptors that the child inherits; None for what is not shown."""

    logo: int | None = None
    """A PNG in its final size."""
    caption: int | None = None
    """The title as PNG."""
    caption_age_seconds: float = 0.0
    """How much of the title's time is over at the first frame."""
    clock: int | None = None
    """The text of `clock_text`; may change while the child runs."""
    font: Path | None = None
    """Of the clock."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the child must inherit."""
        return tuple(one for one in (self.logo, self.caption, self.clock) if one is not None)


def overlay_chains(overlay: OverlayInput, house: HouseFormat, *, below: str, above: str) -> tuple[str, ...]:
    """Filter chains from the label `below`, a picture in house format whose time counts from 0, to `above`."""
    margin = _margin(house)
    chains, at = [], below
    if overlay.logo is not None:
        chains.append(f"{_image(overlay.logo)},{_COLORS}[logo]")
        chains.append(f"{at}[logo]overlay=x=W-w-{margin}:y={margin}[branded]")
        at = "[branded]"
    if overlay.caption is not None:
        chains.append(
            f"{_image(overlay.caption)},{_COLORS},{_caption(overlay.caption_age_seconds, house.frame_rate)}[caption]"
        )
        chains.append(f"{at}[caption]overlay=x={margin}:y=H-h-{margin}:eof_action=pass[captioned]")
        at = "[captioned]"
    chains.append(f"{at}{_clock(overlay, house)}null{above}")
    return tuple(chains)


def overlay_trial(overlay: OverlayInput, house: HouseFormat, ffmpeg: Path) -> list[str]:
    """A command line that ends with 0 if `ffmpeg` can draw the overlay."""
    picture = f"color=size={house.width}x{house.height}:rate={house.frame_rate}:duration=0.04"
    chains = overlay_chains(overlay, house, below="[0:v]", above="[v]")
    return [
        str(ffmpeg),
        *("-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-f", "lavfi", "-i", picture),
        *("-filter_complex", ";".join(chains), "-map", "[v]", "-f", "null", "-"),
    ]


def clock_text(first_frame_wall: float | None) -> bytes:
    """The clock's text if the first frame is on air at that time; blank for None (unknown).

    ffmpeg reads it before each frame and adds the frame's time: hours and minutes in the host's time zone.
    """
    text = " " if first_frame_wall is None else rf"%{{pts:localtime:{first_frame_wall:.2f}:%H\:%M}}"
    return text.encode().ljust(CLOCK_BYTES)


def _image(descriptor: int) -> str:
    """The image as a filter: a graph that is built again reads it again, which it could not from an input."""
    return f"movie=/proc/self/fd/{descriptor}:f=png_pipe"


def _caption(age_seconds: float, rate: FrameRate) -> str:
    """Repeat the image for the rest of its time, faded in and out by the item's time."""
    late, fade = CAPTION_LATE_SECONDS, CAPTION_FADE_SECONDS
    left = max(1, round((CAPTION_SECONDS - age_seconds) * rate))
    first = round(age_seconds * rate)
    return (
        f"loop={left - 1}:1:0,setpts=(N+{first})/{rate}/TB,"
        f"fade=t=in:st={late:g}:d={fade:g}:alpha=1,fade=t=out:st={CAPTION_SECONDS - fade:g}:d={fade:g}:alpha=1,"
        f"setpts=N/{rate}/TB"
    )


def _clock(overlay: OverlayInput, house: HouseFormat) -> str:
    if overlay.clock is None or overlay.font is None:
        return ""
    size, margin = round(min(house.width, house.height) * _CLOCK_PART), _margin(house)
    return (
        f"drawtext=fontfile={escaped(str(overlay.font))}:textfile=/proc/self/fd/{overlay.clock}:reload=1:"
        f"fontsize={size}:fontcolor=white:borderw={max(1, round(size / 16))}:bordercolor=black@0.55:"
        f"x={margin}:y={margin},"
    )


def _margin(house: HouseFormat) -> int:
    # Even, or the colors, stored for every second pixel, would shift against the edges.
    return round(min(house.width, house.height) * MARGIN_PART / 2) * 2
