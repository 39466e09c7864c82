"""What stands on top of an item's picture, as inputs and filters of its command line: logo, clock, title; pure.

The pictures and the clock's words reach the child on inherited descriptors: nothing of them needs escaping, and none of
them stands on a command line, which every user of the host can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.ffmpeg.generated import escaped
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import FRAMES_PER_SECOND

MARGIN_PART = 0.05
"""Of the picture's height: between its edges and all that stands on it."""
CAPTION_SECONDS = 9.0
"""How long a title is there, from the item's first frame on; before that and after it there is nothing."""
CAPTION_LATE_SECONDS = 1.0
CAPTION_FADE_SECONDS = 0.8
CLOCK_BYTES = 48
"""What `clock_words` gives, always: so it can be written over the last one at once."""

_CLOCK_PART = 0.055
"""Of the picture's height: the clock's letters."""
# Without it ffmpeg takes the colours of ordinary pictures for BT.601, and shows them as BT.709.
_COLOURS = "scale=out_color_matrix=bt709:out_range=tv,format=yuva420p"


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlayInput:
    """The descriptors that a child inherits, each None where there is no such thing."""

    logo: int | None = None
    """A PNG that is as large as it is to be shown."""
    caption: int | None = None
    """The same with the title."""
    caption_age_seconds: float = 0.0
    """How much of the title's time is over where the item_range begins."""
    clock: int | None = None
    """What `clock_words` gives; may change while the child runs."""
    font: Path | None = None
    """Of the clock."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the child must inherit."""
        return tuple(one for one in (self.logo, self.caption, self.clock) if one is not None)


def overlay_inputs(overlay: OverlayInput) -> list[str]:
    """Input options and `-i` of each picture, in the order in which `overlay_chains` counts them."""
    words = []
    for descriptor in (overlay.logo, overlay.caption):
        if descriptor is not None:
            words += ["-protocol_whitelist", "pipe", "-f", "png_pipe", "-i", f"pipe:{descriptor}"]
    return words


def overlay_chains(
    overlay: OverlayInput, house: HouseFormat, *, first_input: int, below: str, above: str
) -> tuple[str, ...]:
    """Filter chains from the label `below`, a picture of the house format whose first frame stands at 0, to `above`.

    `first_input`: the number of the first of `overlay_inputs` among the inputs of the command line.
    """
    margin = _margin(house)
    chains, at, number = [], below, first_input
    if overlay.logo is not None:
        chains.append(f"[{number}:v]{_COLOURS}[logo]")
        chains.append(f"{at}[logo]overlay=x=W-w-{margin}:y={margin}[branded]")
        at, number = "[branded]", number + 1
    if overlay.caption is not None:
        chains.append(f"[{number}:v]{_COLOURS},{_caption(overlay.caption_age_seconds)}[caption]")
        chains.append(f"{at}[caption]overlay=x={margin}:y=H-h-{margin}:eof_action=pass[captioned]")
        at = "[captioned]"
    chains.append(f"{at}{_clock(overlay, house)}null{above}")
    return tuple(chains)


def overlay_trial(overlay: OverlayInput, house: HouseFormat, ffmpeg: Path) -> list[str]:
    """A command line that ends with 0 where `ffmpeg` can do all of it."""
    picture = f"color=size={house.width}x{house.height}:rate={FRAMES_PER_SECOND}:duration=0.04"
    chains = overlay_chains(overlay, house, first_input=1, below="[0:v]", above="[v]")
    return [
        str(ffmpeg),
        *("-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-f", "lavfi", "-i", picture),
        *overlay_inputs(overlay),
        *("-filter_complex", ";".join(chains), "-map", "[v]", "-f", "null", "-"),
    ]


def clock_words(first_frame_wall: float | None) -> bytes:
    """What the clock's descriptor holds where a item_range's first frame is on air at that time; None: nobody knows it.

    ffmpeg reads it before each frame and adds the frame's own time: hours and minutes in the time zone of the host.
    """
    text = " " if first_frame_wall is None else rf"%{{pts:localtime:{first_frame_wall:.2f}:%H\:%M}}"
    return text.encode().ljust(CLOCK_BYTES)


def _caption(age_seconds: float) -> str:
    """One picture repeated for the rest of its time, faded in and out by the time of the item."""
    late, fade = CAPTION_LATE_SECONDS, CAPTION_FADE_SECONDS
    left = max(1, round((CAPTION_SECONDS - age_seconds) * FRAMES_PER_SECOND))
    first = round(age_seconds * FRAMES_PER_SECOND)
    return (
        f"loop={left - 1}:1:0,setpts=(N+{first})/{FRAMES_PER_SECOND}/TB,"
        f"fade=t=in:st={late:g}:d={fade:g}:alpha=1,fade=t=out:st={CAPTION_SECONDS - fade:g}:d={fade:g}:alpha=1,"
        f"setpts=N/{FRAMES_PER_SECOND}/TB"
    )


def _clock(overlay: OverlayInput, house: HouseFormat) -> str:
    if overlay.clock is None or overlay.font is None:
        return ""
    size, margin = round(house.height * _CLOCK_PART), _margin(house)
    return (
        f"drawtext=fontfile={escaped(str(overlay.font))}:textfile=/proc/self/fd/{overlay.clock}:reload=1:"
        f"fontsize={size}:fontcolor=white:borderw={max(1, round(size / 16))}:bordercolor=black@0.55:"
        f"x={margin}:y={margin},"
    )


def _margin(house: HouseFormat) -> int:
    # Even, or the colours, which are stored for every second pixel, would shift against the edges.
    return round(house.height * MARGIN_PART / 2) * 2
