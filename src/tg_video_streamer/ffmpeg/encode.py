"""The output options of every encoding command line: the house format."""

from __future__ import annotations

from tg_video_streamer.ffmpeg.hardware import encoder_options, reads_main_memory
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import GOP_SECONDS

SAFE_VIDEO_ARGUMENTS = ("-c:v", "libx264", "-preset", "veryfast")
"""The default, also used when the operator's options do not work."""

COLOR_TAGS = "setparams=field_mode=prog:range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
"""The filter that sets the house color tags."""

_FORCED_VIDEO = (
    *("-sc_threshold", "0"),
    # No B-frames: presentation order is decoding order, so a packet's index gives its time.
    *("-bf", "0", "-flags:v", "+cgop+global_header"),
    *("-color_range", "tv", "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"),
    *("-chroma_sample_location", "left"),
)

_FORCED_AUDIO = ("-c:a", "aac", "-profile:a", "aac_low", "-ar", "48000", "-ac", "2", "-flags:a", "+global_header")

_MUXER = (
    *("-map_metadata", "-1", "-map_chapters", "-1"),
    # Small clusters, flushed at once: the reader gets each frame as soon as it is encoded.
    *("-f", "matroska", "-cluster_time_limit", "200", "-flush_packets", "1"),
    # Longer than loudnorm's look-ahead (3 s), or sound would lag behind its picture; but bounded: sound that ends before
    # the picture must not hold the picture back.
    *("-max_interleave_delta", "4000000"),
)


def video_arguments(house: HouseFormat) -> list[str]:
    """Encoder options for the picture: the defaults, the operator's, and last the forced ones."""
    operators = {name: value for name, value in _pairs(house.encoder_arguments) if not _is_audio(name)}
    defaults = _rates(operators, house)
    if operators.get("-c:v", "libx264") == "libx264":
        # Presets of hardware encoders have other names.
        defaults = [*SAFE_VIDEO_ARGUMENTS, *defaults]
    given = (word for pair in operators.items() for word in pair)
    pixels = ["-pix_fmt", "yuv420p"] if reads_main_memory(house) else []
    return [*defaults, *given, *_gop(house), *encoder_options(house), *pixels, *_FORCED_VIDEO]


def _gop(house: HouseFormat) -> list[str]:
    frames = str(house.frame_rate.gop_frames)
    return ["-g", frames, "-keyint_min", frames]


def copy_arguments(destination: str = "pipe:1") -> list[str]:
    """All output options and the destination for passthrough."""
    return ["-c", "copy", *_MUXER, destination]


def group_bytes_limit(house: HouseFormat) -> int:
    """The most bytes that the pictures of one group may have: 2 s at the maximum rate, and a full rate buffer."""
    operators = dict(_pairs(house.encoder_arguments))
    limit = operators.get("-maxrate", operators.get("-b:v", f"{house.video_kilobits}k"))
    # The buffer is twice the rate, as in `_rates`.
    return round(_bits(limit) * (GOP_SECONDS + 2) / 8)


def audio_bits(house: HouseFormat) -> int:
    """Bits per second of the encoded sound."""
    return _bits(dict(_pairs(house.encoder_arguments)).get("-b:a", f"{house.audio_kilobits}k"))


def _bits(rate: str) -> int:
    """A rate such as 2500k, 2.5M or 2500000 as a number."""
    number = rate.rstrip("kKmMgG")
    return round(float(number) * {"k": 1e3, "m": 1e6, "g": 1e9}.get(rate[len(number) :].lower(), 1.0))


def _rates(operators: dict[str, str], house: HouseFormat) -> list[str]:
    """The house rates; if the operator sets a rate, the limits follow it, or it would have no effect."""
    rate = operators.get("-b:v", operators.get("-maxrate", f"{house.video_kilobits}k"))
    limit = operators.get("-maxrate", rate)
    return ["-b:v", rate, "-maxrate", limit, "-bufsize", _doubled(limit)]


def _doubled(rate: str) -> str:
    """Twice a rate such as 2500k, 2.5M or 2500000."""
    number = rate.rstrip("kKmMgG")
    return f"{float(number) * 2:.12g}{rate[len(number) :]}"


def audio_arguments(house: HouseFormat) -> list[str]:
    """Encoder options for the sound, with the same precedence."""
    operators = [pair for pair in _pairs(house.encoder_arguments) if _is_audio(pair[0])]
    return ["-b:a", f"{house.audio_kilobits}k", *(word for pair in operators for word in pair), *_FORCED_AUDIO]


def house_arguments(house: HouseFormat, destination: str = "pipe:1") -> list[str]:
    """All output options and the destination: Matroska in house format, one video and one audio stream."""
    return [*video_arguments(house), *audio_arguments(house), *_MUXER, destination]


def low_latency_arguments(house: HouseFormat) -> list[str]:
    """Encoder options, before the others, with which x264 buffers no picture; none for another encoder.

    Not `-tune zerolatency`, which changes the codec headers and so prevents splices.
    """
    if dict(_pairs(house.encoder_arguments)).get("-c:v", "libx264") != "libx264":
        return []
    return ["-rc-lookahead", "0", "-mbtree", "0", "-thread_type:v", "slice"]


def picture_filters(house: HouseFormat) -> str:
    """The last filters of every picture: fitted into the frame in its aspect ratio, the house rate, colors tagged.

    The tags are set by filter and option: sources differ in theirs, and the encoder copies them into its headers, which
    must be equal byte for byte in everything that is spliced.
    """
    size = f"{house.width}:{house.height}"
    return ",".join(
        (
            f"scale={size}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_color_matrix=bt709:out_range=tv",
            f"pad={size}:(ow-iw)/2:(oh-ih)/2",
            "setsar=1",
            "format=yuv420p",
            f"fps={house.frame_rate}",
            COLOR_TAGS,
        )
    )


def _pairs(arguments: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip(arguments[::2], arguments[1::2], strict=True))


def _is_audio(name: str) -> bool:
    return name.endswith(":a")
