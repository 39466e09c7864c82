"""FFMPEG_ARGS: only the options of the allow list are accepted."""

from __future__ import annotations

import io
import os
import re
import subprocess
from dataclasses import replace

import av
import pytest
import structlog.testing
from hypothesis import example, given
from hypothesis import strategies as st

from stands.house import house_of
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.ffmpeg.arguments import ALLOWED, X264_PARAMETERS, build_ffmpeg_av_args, parse_ffmpeg_args
from tg_video_streamer.ffmpeg.encode import audio_arguments, audio_bits

_SAFE_VALUE = re.compile(r"[A-Za-z0-9_.,:=-]+", re.ASCII)
_GOOD_VALUES = {
    "-c:v": [
        "h264",
        "libx264",
        "h264_nvenc",
        "h264_vaapi",
        "h264_qsv",
        "h264_v4l2m2m",
        "h264_videotoolbox",
        "h264_amf",
    ],
    "-preset": ["ultrafast", "veryfast", "placebo", "p4"],
    "-tune": ["zerolatency", "film", "ll"],
    "-crf": ["23", "18.5", "51", "1"],
    "-b:v": ["1000k", "1.5M", "2500000", "50k"],
    "-maxrate": ["1500K"],
    "-bufsize": ["3M"],
    "-b:a": ["96k", "128000"],
    "-profile:v": ["baseline", "main", "high"],
    "-level": ["3.1", "4", "4.1"],
    "-threads": ["0", "2", "64"],
    "-x264-params": ["ref=3", "me=umh:subme=7:deblock=-1,-1", "psy-rd=1.0,0.15:rc-lookahead=10:nal-hrd=cbr"],
}


def pairs_of_options() -> st.SearchStrategy[list[tuple[str, str]]]:
    """Any subset of the allowed options in any order, each with a good value."""
    one = st.sampled_from(sorted(_GOOD_VALUES)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(_GOOD_VALUES[name]))
    )
    return st.lists(one, unique_by=lambda pair: pair[0])


def test_every_option_of_the_list_is_tested() -> None:
    """The tests have valid values for every allowed option."""
    assert set(_GOOD_VALUES) == set(ALLOWED)


@given(pairs_of_options(), st.lists(st.sampled_from([" ", "  ", "\t", "\n"])), st.booleans())
def test_allowed_options_come_back_as_they_were(pairs: list[tuple[str, str]], spaces: list[str], quoted: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    """Allowed pairs are read in order, with any white space and quotes; `h264` becomes libx264, the rest is unchanged."""
    words = [word for pair in pairs for word in pair]
    blanks = iter(spaces)
    text = "".join((f'"{word}"' if quoted else word) + next(blanks, " ") for word in words)
    wanted = tuple("libx264" if word == "h264" else word for word in words)
    assert parse_ffmpeg_args(text) == wanted
    assert parse_ffmpeg_args(" ".join(wanted)) == wanted


_AWKWARD = st.sampled_from(
    [
        *(
            *ALLOWED,
            *X264_PARAMETERS,
            "out.mkv",
            "-f",
            "-report",
            "-i",
            "/etc/passwd",
            "dump-yuv=x",
            "ref=1",
            "veryfast",
        ),
        *(
            '"',
            " ",
            ":",
            "=",
            "-",
            "\\",
            "'",
            "\x00",
            "\n",
            "$(id)",
            "1000k",
            "23",
            "\u0663",
            "\uff11",
            "1e9",
            "nan",
            "inf",
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(_AWKWARD).map("".join), st.lists(_AWKWARD).map(" ".join)))
@example("-preset veryfast out.mkv")
@example("-x264-params ref=1:dump-yuv=out.yuv")
@example('-preset "veryfast -report"')
def test_nothing_but_the_list_is_ever_accepted(text: str) -> None:
    """Any text is either refused, or gives pairs of allowed names and plain values without a path, a blank or a dash."""
    problems: list[str] = []
    arguments: tuple[str, ...] = ()
    try:
        arguments = parse_ffmpeg_args(text)
    except ConfigError as error:
        problems = error.problems or ["none"]
    assert all(problem.startswith("FFMPEG_ARGS: ") for problem in problems)
    names, values = arguments[::2], arguments[1::2]
    assert len(names) == len(values)
    assert len(set(names)) == len(names)
    for name, value in zip(names, values, strict=True):
        assert name in ALLOWED
        assert _SAFE_VALUE.fullmatch(value)
        assert not value.startswith("-")
        if name == "-x264-params":
            assert {part.split("=")[0] for part in value.split(":")} <= set(X264_PARAMETERS)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("-preset veryfast out.mkv", "'out.mkv'"),
        ("-report", "'-report'"),
        ("-f mpegts", "'-f'"),
        ("-g 100", "'-g'"),
        ("-vf scale=2:2", "'-vf'"),
        ("-x264-params dump-yuv=/tmp/x", "dump-yuv"),
        ("-x264-params ref=2:bframes=3", "bframes"),
        ("-x264-params ref=2:stats=x", "stats"),
        ("-x264-params ref=2:ref=3", "ref twice"),
        ("-x264-params ref", "ref without a value"),
        ("-x264-params ref=2:", "an empty part"),
        ("-c:v libx265", "'libx265'"),
        ("-c:v copy", "'copy'"),
        ("-crf 0", "'0'"),
        ("-crf 52", "'52'"),
        ("-b:v 1000kk", "'1000kk'"),
        ("-b:v 5", "'5'"),
        ("-preset", "-preset has no value"),
        ("-preset -crf 20", "-preset has no value"),
        ("-crf 20 -crf 21", "-crf is given twice"),
        ('-preset "veryfast', "double quote"),
        ('-preset ""', "-preset"),
        ("preset veryfast", "'preset'"),
    ],
)
def test_the_error_names_the_part(text: str, part: str) -> None:
    """The error names the wrong part."""
    with pytest.raises(ConfigError, match=re.escape(part)):
        parse_ffmpeg_args(text)


def test_all_problems_are_told_at_once() -> None:
    """Three mistakes give three lines, and a pasted secret is not repeated in full."""
    with pytest.raises(ConfigError) as caught:
        parse_ffmpeg_args("-crf 99 -preset nope " + "x" * 500)
    assert len(caught.value.problems) == 3
    assert "x" * 100 not in str(caught.value)


def test_empty_is_nothing() -> None:
    """No text, no options."""
    assert parse_ffmpeg_args("") == parse_ffmpeg_args(" \n") == ()


def test_the_house_format_stays_in_force() -> None:
    """The operator's options come after the defaults and before the forced ones, for sound and picture apart."""
    os.environ["FFMPEG_ARGS"] = "-b:v 1000k -c:v h264 -b:a 96k"
    try:
        video, audio = build_ffmpeg_av_args("720p")
    finally:
        del os.environ["FFMPEG_ARGS"]
    rates = [video[at + 1] for at, word in enumerate(video) if word == "-b:v"]
    assert rates[-1] == "1000k"
    assert video.index("1000k") < video.index("-bf")
    assert audio.index("96k") > audio.index("128k")
    assert "1000k" not in audio
    assert "96k" not in video


def test_the_sound_has_its_bit_rate() -> None:
    """AUDIO_BITRATE is the sound's rate, -b:a in FFMPEG_ARGS wins, and the codec headers are the same at each."""
    sizes, found = [], set()
    for kilobits in (64, 320):
        house = replace(house_of("320x180"), audio_kilobits=kilobits)
        noise = ("-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.3:seed=1:d=1")
        command = ("ffmpeg", "-nostdin", "-v", "error", *noise, *audio_arguments(house), "-f", "matroska", "pipe:1")
        encoded = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout
        with av.open(io.BytesIO(encoded)) as container:
            found.add(bytes(container.streams.audio[0].codec_context.extradata or b""))
        sizes.append(len(encoded))
        assert audio_bits(house) == kilobits * 1000
        assert audio_bits(replace(house, encoder_arguments=("-b:a", "96k"))) == 96_000
    assert sizes[1] > 3 * sizes[0]
    assert len(found) == 1


def test_wrong_options_are_a_warning_and_the_safe_profile() -> None:
    """A mistake in FFMPEG_ARGS never stops the program."""
    safe = build_ffmpeg_av_args("480p")
    os.environ["FFMPEG_ARGS"] = "-preset veryfast out.mkv"
    try:
        with structlog.testing.capture_logs() as logs:
            assert build_ffmpeg_av_args("480p") == safe
    finally:
        del os.environ["FFMPEG_ARGS"]
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "out.mkv" in logs[0]["problem"]


def test_an_unknown_quality_is_refused() -> None:
    """An unknown quality is named, with the known ones."""
    with pytest.raises(ConfigError, match="4320p must be one of 480p, 720p, 1080p"):
        build_ffmpeg_av_args("4320p")
