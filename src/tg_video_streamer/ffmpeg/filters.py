"""The filter graph that converts a probed source to the house format and detects picture and sound faults.

The outputs are labeled `[v]` and, if the source has sound, `[a]`. `feed/picture_faults.py` reads the detectors' lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.ffmpeg.encode import COLOR_TAGS
from tg_video_streamer.ffmpeg.fades import Fades, picture_fades, sound_fades
from tg_video_streamer.ffmpeg.house import Economy, HouseFormat
from tg_video_streamer.ffmpeg.overlay import OverlayInput, overlay_chains
from tg_video_streamer.ffmpeg.pacing import pace
from tg_video_streamer.ffmpeg.shape import BACKGROUND_COLOR, framed, shape
from tg_video_streamer.ffmpeg.source import AudioTrack, Level, Picture, SourceFacts
from tg_video_streamer.ffmpeg.subtitles import SubtitlesInput, subtitle_chains

STILL_SECONDS = 10.0
"""How long a still picture stays by default."""
HELD_FROM_SECONDS = 0.5
"""The last picture is held for sound that is longer by so much."""
FAULT_SECONDS = 10.0
"""How long black, frozen or silent must last to be reported."""

# Changes only pictures that are flagged and passes the others on, so it is there for all: a broadcast changes between its
# programs. Before `fps`, which would drop one field's time.
_DEINTERLACE = "bwdif=mode={mode}:deint=interlaced"
_MAY_BE_INTERLACED = frozenset(
    {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "cavs", "dvvideo", "prores", "dnxhd"}
)

_TO_STDERR = r"print:file=pipe\\:2:direct=1"
# Follows the timestamps: small steps by stretching, larger ones by silence. Without `flags=res` the first stretch would start
# the filter again. What is missing before, after and between its graphs the reader fills.
_FOLLOW_TIMES = "aresample=48000:async=1000:min_hard_comp=0.1:flags=res"
PEAK_DECIBELS = -1.5
"""The highest true peak (dBTP) of an item. Prepared items stay below it; on air the encoder may add a little."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemRange:
    """The range of the source to play, and its volume."""

    seek_seconds: float = 0.0
    """The input's own time of the first frame, given to `-ss`."""
    trim_seconds: float = 0.0
    """Decoded after the seek and discarded."""
    length_seconds: float | None = None
    """None: to the end of the source."""
    volume: float = 1.0
    picture_left_seconds: float | None = None
    sound_left_seconds: float | None = None
    """How much of each stream is left from here on, if known."""
    fades: Fades | None = None


def filter_graphs(
    source: SourceFacts,
    house: HouseFormat,
    item_range: ItemRange,
    *,
    overlay: OverlayInput | None = None,
    subtitles: SubtitlesInput | None = None,
    loopback: bool = False,
) -> tuple[str, ...]:
    """The values of -filter_complex: one graph for the picture, and one for the sound if there is any.

    ffmpeg builds a graph again, with new filters, where the size, rate or layout of its input changes. So picture and sound
    have a graph each, and no filter counts from 0: all keep the times of what comes in. `loudnorm` holds 3 s, which it would
    lose: with `loopback` it has a third graph, whose input `[dec:0]` never changes, and the second has the output `[heard]`.
    """
    sound = _sound_chains(source.sound, house, item_range, loopback=loopback)
    faded = "".join(f",{one}" for one in picture_fades(item_range.fades, house.frame_rate))
    if overlay is None and subtitles is None:
        return (";".join(_picture_chains(source, house, item_range, f"{faded}[v]")), *sound)
    # The detectors come before the overlay, which would hide a black or frozen picture from them.
    chains, at = [*_picture_chains(source, house, item_range, "[bare]")], "[bare]"
    if subtitles is not None:
        trim = item_range.trim_seconds
        chains += subtitle_chains(subtitles, source.picture, house, trim_seconds=trim, below=at, above="[subtitled]")
        at = "[subtitled]"
    if overlay is not None:
        chains += overlay_chains(overlay, house, below=at, above="[dressed]")
        at = "[dressed]"
    return (";".join((*chains, f"{at}format=yuv420p,{COLOR_TAGS}{faded}[v]")), *sound)


def _picture_chains(source: SourceFacts, house: HouseFormat, item_range: ItemRange, out: str) -> tuple[str, ...]:
    picture = source.picture
    if picture is None:
        return (f"color=c={BACKGROUND_COLOR}:s={house.width}x{house.height}:r={house.frame_rate},{framed(house)}{out}",)
    pad = f"[{picture.input_index}:v:{picture.stream_index}]"
    if picture.still:
        # Scaled once, then repeated: scaling each repetition would cost as much as a film.
        return (
            f"{pad}{_upright(picture)}{shape(picture, house)},loop=-1:1:0,fps={house.frame_rate},{COLOR_TAGS}{out}",
        )
    # Where it starts again it loses a picture, which the encoder's constant rate replaces (`command.py`).
    shown_rate = _shown_rate(picture, house)
    rate = f"fps={house.frame_rate}"
    early = f"setpts=PTS-{item_range.trim_seconds:.6f}/TB"
    trim = []
    if item_range.trim_seconds:
        trim = [early] if picture.stands else [f"trim=start={item_range.trim_seconds:.6f}", early]
    if picture.stands:
        # The picture from before the start has been repeated up to it.
        rate += ",trim=start=0"
    else:
        rate = pace(shown_rate, house.frame_rate) + rate
    fast = shown_rate > house.frame_rate
    again = []
    if house.economy is not Economy.NONE and not picture.stands:
        # The pictures that are made, and behind the scaling each of them several times.
        again = [f"fps={house.frame_rate}"]
        rate = f"{rate},fps={house.frame_rate}/{house.economy:d}"
        fast = True
    steps = [
        *trim,
        *_deinterlaced(picture, each_field=shown_rate > picture.frame_rate),
        # Frames to drop are dropped before scaling; frames to repeat are scaled once.
        *([rate] if fast else []),
        shape(picture, house),
        *([] if fast else [rate]),
        *again,
    ]
    chain = f"{pad}{','.join(steps)},split[seen][watched]"
    watch = (
        "[watched]fps=2,scale=160:90:flags=fast_bilinear,blackdetect=d=0.1:pix_th=0.06,"
        f"freezedetect=n=-60dB:d={FAULT_SECONDS:g},metadata={_TO_STDERR},nullsink"
    )
    return (chain, watch, f"[seen]{_hold_last_frame(item_range)}{COLOR_TAGS}{out}")


def _shown_rate(picture: Picture, house: HouseFormat) -> float:
    """Pictures a second once it is deinterlaced: each field becomes one where the house rate has room for them."""
    fields = 2 * picture.frame_rate
    return fields if picture.interlaced and house.frame_rate >= fields * 0.98 else picture.frame_rate


def _deinterlaced(picture: Picture, *, each_field: bool) -> list[str]:
    if not picture.interlaced and picture.codec not in _MAY_BE_INTERLACED:
        return []
    return [_DEINTERLACE.format(mode="send_field" if each_field else "send_frame")]


def _upright(picture: Picture) -> str:
    """Turn a photo as its camera was held: its input is opened with `-noautorotate`, since ffmpeg 5.1 turns JPEG only."""
    turns = {-90: "transpose=clock,", 90: "transpose=cclock,", 180: "hflip,vflip,", -180: "hflip,vflip,"}
    return turns.get(picture.rotation, "")


def _hold_last_frame(item_range: ItemRange) -> str:
    """Hold the last frame while the sound continues."""
    picture, sound = item_range.picture_left_seconds, item_range.sound_left_seconds
    if picture is None or sound is None or sound - picture < HELD_FROM_SECONDS:
        return ""
    return f"tpad=stop_mode=clone:stop_duration={sound - picture:.3f},"


def holds_sound(sound: AudioTrack | None) -> bool:
    """Whether the filters of `sound` hold seconds of it: its loudness is not known, as that of all live sound."""
    return sound is not None and sound.level is None and sound.loudness_lufs is None


def _sound_chains(
    sound: AudioTrack | None, house: HouseFormat, item_range: ItemRange, *, loopback: bool
) -> tuple[str, ...]:
    if sound is None:
        return ()
    pad = f"[{sound.input_index}:a:{sound.stream_index}]"
    if sound.right_stream_index is not None:
        pad += f"[{sound.input_index}:a:{sound.right_stream_index}]join=channel_layout=stereo:map=0.0-FL|1.0-FR,"
    elif sound.mix:
        pad += f"pan={sound.mix},"
    trim = (
        [f"atrim=start={item_range.trim_seconds:.6f},asetpts=PTS-{item_range.trim_seconds:.6f}/TB"]
        if item_range.trim_seconds
        else []
    )
    steps = [
        *trim,
        _FOLLOW_TIMES,
        "aformat=sample_fmts=fltp:channel_layouts=stereo",
        f"silencedetect=n=-60dB:d={FAULT_SECONDS:g},ametadata={_TO_STDERR}",
    ]
    leveled, fades = _loudness(sound, house, item_range.volume), sound_fades(item_range.fades)
    # A measured level is made for exactly what comes out of its limiter. What levels as it goes would undo a fade before it.
    leveled = [*leveled, *fades] if holds_sound(sound) else [*fades, *leveled]
    if loopback:
        return f"{pad}{','.join(steps)}[heard]", f"[dec:0]{','.join((_FOLLOW_TIMES, *leveled))}[a]"
    steps += leveled
    return (f"{pad}{','.join(steps)}[a]",)


def _loudness(sound: AudioTrack, house: HouseFormat, volume: float) -> list[str]:
    factor = [f"volume={volume:.4f}"] if volume != 1.0 else []
    if sound.level is not None:
        return level_filters(sound.level)
    limiter = _limiter(PEAK_DECIBELS)
    if sound.loudness_lufs is not None:
        gain = house.loudness_lufs - sound.loudness_lufs
        return [f"volume={gain:.2f}dB", *factor, limiter]
    normalize = (
        f"loudnorm=I={house.loudness_lufs:g}:TP=-1.5:LRA=11,aresample=48000,aformat=channel_layouts=stereo,"
        # ffmpeg 9.0 stamps the last 3 s up to 81 ms late; the input has no gaps, so samples can be counted.
        "asetpts=STARTPTS+N/SR/TB"
    )
    return [normalize, *factor, *([limiter] if volume > 1.0 else [])]


def level_filters(level: Level) -> list[str]:
    """The filters that apply `level`; peaks between the samples count too (ITU-R BS.1770-4, annex 2)."""
    gain = f"volume={level.gain_decibels:.2f}dB"
    if level.limit_decibels is None:
        return [gain]
    return [gain, "aresample=192000", _limiter(level.limit_decibels), "aresample=48000"]


def _limiter(decibels: float) -> str:
    return f"alimiter=limit={10 ** (decibels / 20):.4f}:level=false:latency=true"
