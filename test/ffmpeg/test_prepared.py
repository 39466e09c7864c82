"""What is encoded ahead of need: a slower preset with exactly the codec headers of the live encodes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stands.ffmpegs import both_ffmpegs
from stands.house import house_of
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.prepared import X264Preset
from tg_video_streamer.ffmpeg.prepared_trial import Preparation
from tg_video_streamer.ffmpeg.validate import encoded_second
from tg_video_streamer.media import CodecHeaders

FFMPEG, *_ = both_ffmpegs()
SETS = [
    "",
    "-preset ultrafast -tune zerolatency",
    "-preset fast",
    "-profile:v baseline",
    "-profile:v main -level 4.0",
    "-tune film",
    "-tune grain",
    "-tune ssim",
    "-crf 20",
    "-x264-params ref=3:subme=7",
    "-x264-params psy-rd=0,0",
    "-x264-params trellis=2:subme=8:psy-rd=1.0,0.15",
]
MORE_SETS = [
    *(f"-preset {preset}" for preset in ("superfast", "faster", "medium")),
    *(f"-tune {tune}" for tune in ("animation", "stillimage", "psnr", "fastdecode", "zerolatency")),
    "-b:v 800k",
    "-x264-params aq-mode=3:weightp=0",
    "-x264-params psy-rd=0.2,0.2:chroma-qp-offset=-3",
]


async def header_of(house: HouseFormat, ffmpeg: Path) -> bytes:
    """The codec header of a second in `house` format."""
    second = await encoded_second(house, ffmpeg, deadline_seconds=60)
    assert second.problem is None
    return second.video_header


async def preparation_of(
    text: str, ffmpeg: Path, preset: X264Preset = X264Preset.SLOW, *, bitrate: str = "", cache_dir: Path | None = None
) -> tuple[HouseFormat, bytes, Preparation]:
    """For FFMPEG_ARGS `text`: the live format, its header, and what finds the prepared one."""
    house = house_of("320x180", *text.split())
    header = await header_of(house, ffmpeg)
    headers = CodecHeaders(video=header, audio=b"")
    made = Preparation(house, headers, ffmpeg=ffmpeg, preset=preset, bitrate=bitrate, cache_dir=cache_dir)
    return house, header, made


async def check_headers(text: str, ffmpeg: Path, preset: X264Preset, bitrate: str = "") -> None:
    """The prepared format is another one, and has the live header."""
    house, header, preparation = await preparation_of(text, ffmpeg, preset, bitrate=bitrate)
    prepared = await preparation.house()
    assert preparation.warning is None
    assert prepared != house
    assert str(preset) in prepared.encoder_arguments
    assert await header_of(prepared, ffmpeg) == header


@pytest.mark.parametrize("text", SETS)
async def test_prepared_encodes_have_the_live_headers(text: str) -> None:
    """For any FFMPEG_ARGS the slower preset gives the headers of the live encodes byte for byte."""
    await check_headers(text, FFMPEG, X264Preset.SLOW)


@pytest.mark.long
@pytest.mark.parametrize("ffmpeg", both_ffmpegs(), ids=lambda path: path.name[:12])
@pytest.mark.parametrize("preset", [X264Preset.MEDIUM, X264Preset.SLOW, X264Preset.VERYSLOW])
@pytest.mark.parametrize("text", [*SETS, *MORE_SETS])
async def test_every_preset_has_the_live_headers(text: str, preset: X264Preset, ffmpeg: Path) -> None:
    """The same for each slower preset, with old and new ffmpeg."""
    if f"-preset {preset}" in text:
        pytest.skip("it is the live preset")
    await check_headers(text, ffmpeg, preset)


async def test_fewer_bits_keep_the_headers() -> None:
    """PREPARE_BITRATE changes neither the level nor anything else in the headers."""
    await check_headers("", FFMPEG, X264Preset.SLOW, "100k")
    await check_headers("-crf 20 -x264-params vbv-maxrate=900:vbv-bufsize=900", FFMPEG, X264Preset.VERYFAST, "2M")


async def test_the_trial_is_made_once(tmp_path: Path) -> None:
    """The format that worked is recorded: the next start encodes nothing."""
    house, header, first = await preparation_of("-tune film", FFMPEG, cache_dir=tmp_path)
    found, again = await asyncio.gather(first.house(), first.house())
    assert found is again
    (record,) = await asyncio.to_thread(lambda: list(tmp_path.glob("prepared-*.works")))
    assert int(record.read_text()) > 0
    record.write_text("0")
    headers = CodecHeaders(video=header, audio=b"")
    second = Preparation(house, headers, ffmpeg=FFMPEG, preset=X264Preset.SLOW, cache_dir=tmp_path)
    assert await second.house() != found


async def test_other_headers_lead_to_the_live_format() -> None:
    """Where no slower encode has the live headers, items are prepared in the live format, and one warning says so."""
    house = house_of("320x180")
    headers = CodecHeaders(video=b"another program's", audio=b"")
    preparation = Preparation(house, headers, ffmpeg=find_ffmpeg(), preset=X264Preset.SLOW)
    assert preparation.key_house is not None
    assert await preparation.house() == house
    assert preparation.key_house is None
    assert "slow" in str(preparation.warning)


@pytest.mark.parametrize(
    ("arguments", "preset", "warned"),
    [
        ("-c:v h264_nvenc -preset p3", X264Preset.SLOW, True),
        ("-c:v h264_nvenc -preset p3", X264Preset.VERYFAST, False),
        ("-preset slower", X264Preset.SLOW, False),
        ("", X264Preset.VERYFAST, False),
    ],
)
async def test_what_cannot_be_better_is_as_live(arguments: str, preset: X264Preset, *, warned: bool) -> None:
    """Another encoder is named in a warning; a preset that is no slower than the live one is just not used. No trial runs."""
    house = house_of("320x180", *arguments.split())
    headers = CodecHeaders(video=b"", audio=b"")
    preparation = Preparation(house, headers, ffmpeg=Path("no-ffmpeg-at-all"), preset=preset)
    assert preparation.key_house is None
    assert await preparation.house() == house
    assert (preparation.warning is not None) is warned
