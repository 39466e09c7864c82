"""The colors of a source reach the viewers as they are meant, however the file stores them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from stands.color_card import DISPLAY_GAMMA, STRIPES, Colors, Stored, converted, differences, make_card, signal_in
from stands.ffmpegs import each_ffmpeg
from stands.house import house_of
from tg_video_streamer.errors import ProbeFailed
from tg_video_streamer.feed.probe.inspection import combine, inspect
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.filters import ItemRange, filter_graphs
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.source import Measured, SourceFacts
from tg_video_streamer.media import Fit
from tg_video_streamer.resolve.media import MediaInput

SEEN_DIFFERENCE = 3.0
PAL = Stored(matrix="bt470bg", primaries="bt470bg")
NTSC = Stored(matrix="smpte170m", primaries="smpte170m", transfer="smpte170m")
WIDE = Stored(matrix="bt2020nc", primaries="bt2020", transfer="bt2020-10", pixels="yuv420p10le")
WAYS = {
    "BT.709": Stored(),
    "BT.709 full range": Stored(full_range=True),
    "yuvj420p": Stored(
        pixels="yuvj420p", full_range=True, states=(), encoder=("-c:v", "mjpeg", "-q:v", "1"), matrix="smpte170m"
    ),
    "BT.601 625": PAL,
    "BT.601 525": NTSC,
    "BT.601 625 full range": replace(PAL, full_range=True),
    "BT.601 525 without primaries": Stored(matrix="smpte170m", states=("matrix",)),
    "nothing stated, SD": Stored(matrix="smpte170m", states=()),
    "nothing stated, HD": Stored(states=(), width=1280, height=48),
    "BT.2020": WIDE,
    "BT.2020 full range": replace(WIDE, full_range=True),
    "Display P3": Stored(primaries="smpte432"),
    "RGB": Stored(pixels="gbrp", encoder=("-c:v", "ffv1"), states=(), full_range=True),
    "10 bit": Stored(pixels="yuv420p10le"),
    "4:2:2": Stored(pixels="yuv422p"),
    "4:4:4": Stored(pixels="yuv444p"),
    "4:4:4 10 bit BT.601 full range": replace(PAL, pixels="yuv444p10le", full_range=True),
}
LOSSY = {"yuvj420p"}


def facts_of(source: Path) -> SourceFacts:
    """What a probe finds."""
    media = MediaInput(location=str(source), is_file=True)
    return combine([inspect(0, media, wanted_height=180, measured=Measured.NOT)], live=False)


def shown(source: Path, house: HouseFormat, ffmpeg: Path) -> bytes:
    """The last picture of a source in the program, as it goes to the encoder."""
    (graph,) = filter_graphs(facts_of(source), house, ItemRange())
    command = [str(ffmpeg), "-nostdin", "-v", "error", "-i", str(source), "-filter_complex", graph, "-map", "[v]"]
    done = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"], capture_output=True, check=True)
    size = house.width * house.height * 3 // 2
    assert len(done.stdout) >= size, done.stderr
    return done.stdout[-size:]


def stripes(picture: bytes, house: HouseFormat, stored: Stored, count: int) -> Colors:
    """The signal in the middle of each stripe of the fitted picture."""
    aspect = stored.width / stored.height
    wider = max if house.fit is Fit.CROP else min
    whole = wider(house.width, house.height * aspect)
    left = (house.width - whole) / 2
    places = [(round(left + (number + 0.5) * whole / count), house.height // 2) for number in range(count)]
    return signal_in(picture, house.width, house.height, places)


@pytest.mark.parametrize("ffmpeg", each_ffmpeg())
@pytest.mark.parametrize("name", WAYS)
def test_stripes_keep_their_colors(name: str, ffmpeg: Path, tmp_path: Path) -> None:
    """Each stripe of a test card is within a color difference of 3, however the file stores it."""
    stored = WAYS[name]
    signal = converted(STRIPES, stored.primaries)
    source = make_card(tmp_path / ("card.avi" if name in LOSSY else "card.mkv"), stored, signal)
    house = house_of("320x180")
    found = stripes(shown(source, house, ffmpeg), house, stored, len(STRIPES))
    wanted = converted(signal, "bt709", before=stored.primaries)
    assert differences(found, wanted).max() < SEEN_DIFFERENCE


@pytest.mark.parametrize("fit", [Fit.BLUR, Fit.CROP])
@pytest.mark.parametrize("name", ["BT.601 525", "BT.2020"])
def test_every_fit_keeps_the_colors(name: str, fit: Fit, tmp_path: Path) -> None:
    """The stripes of a picture of another shape are as right in front of a blurred wall, and where its edges are cut."""
    stored = replace(WAYS[name], width=240, height=180)
    signal = converted(STRIPES, stored.primaries)
    source = make_card(tmp_path / "card.mkv", stored, signal)
    house = house_of("320x180", fit=fit)
    found = stripes(shown(source, house, find_ffmpeg()), house, stored, len(STRIPES))
    assert differences(found, converted(signal, "bt709", before=stored.primaries)).max() < SEEN_DIFFERENCE


def light_of(nits: Colors, transfer: str) -> Colors:
    """The signal of PQ, or of HLG on a screen of 1,000 cd/m2, for gray light (ITU-R BT.2100)."""
    if transfer == "smpte2084":
        part = (nits / 10000) ** 0.1593017578125
        return np.asarray(((0.8359375 + 18.8515625 * part) / (1 + 18.6875 * part)) ** 78.84375)
    scene = (nits / 1000) ** (1 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


@pytest.mark.parametrize("ffmpeg", each_ffmpeg())
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_high_dynamic_range_keeps_mid_tones_and_clips_nothing(transfer: str, ffmpeg: Path, tmp_path: Path) -> None:
    """Of PQ and HLG what is darker than 30 cd/m2 keeps its light to 5 %, and all up to 1,000 differs and gets brighter."""
    nits = np.array([1, 3, 6, 10, 18, 28, 50, 100, 150, 203, 300, 500, 1000], dtype=np.float64)
    signal = np.repeat(light_of(nits, transfer)[:, None], 3, axis=1)
    stored = replace(WAYS["BT.2020"], transfer=transfer, width=416, height=234)
    source = make_card(tmp_path / "ramp.mkv", stored, signal)
    house = house_of("416x234")
    found = stripes(shown(source, house, ffmpeg), house, stored, len(nits))
    assert np.ptp(found, axis=1).max() < 0.02, "gray stays gray"
    light = 100 * found.mean(axis=1) ** DISPLAY_GAMMA
    assert light[:6] == pytest.approx(nits[:6], rel=0.05, abs=0.2)
    assert (np.diff(found.mean(axis=1)) > 0.01).all()
    assert found[9].max() < 0.95


DOLBY_VISION = "Dolby Vision without a base layer"
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1")
METADATA = bytes.fromhex("7c0119") + bytes(range(32, 72)) + b"\x80"
"""An HEVC unit of type 62, as Dolby Vision has one at the end of each picture."""


def with_metadata(source: Path, target: Path) -> Path:
    """The same clip with Dolby Vision's metadata in each picture, as a Matroska file has it."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.pts is None:
                continue
            more = av.Packet(bytes(packet) + len(METADATA).to_bytes(4, "big") + METADATA)
            more.pts, more.dts, more.time_base, more.is_keyframe = (
                packet.pts,
                packet.dts,
                packet.time_base,
                packet.is_keyframe,
            )
            more.stream = stream
            written.mux(more)
    return target


def with_record(source: Path, target: Path) -> Path:
    """The same MP4 as a `dvh1` of profile 5 with its configuration record; the index lies behind the media."""
    data = bytearray(source.read_bytes())
    record = (32).to_bytes(4, "big") + b"dvcC" + bytes((1, 0, 5 << 1, 1 << 3 | 0b101, 0)) + bytes(19)
    index = data.rindex(b"moov")
    entry = data.index(b"hvc1", data.index(b"stsd", index))
    header = data.index(b"hvcC", entry) - 4
    parents = [index, *(data.index(name, index) for name in (b"trak", b"mdia", b"minf", b"stbl", b"stsd")), entry]
    for at in parents:
        data[at - 4 : at] = (int.from_bytes(data[at - 4 : at], "big") + len(record)).to_bytes(4, "big")
    data[entry : entry + 4] = b"dvh1"
    end = header + int.from_bytes(data[header : header + 4], "big")
    data[end:end] = record
    target.write_bytes(data)
    return target


def test_dolby_vision_without_a_base_layer_is_refused(tmp_path: Path) -> None:
    """Its colors are Dolby's own and would look green: the error says so, whether box or pictures tell, and what to use."""
    bare = replace(WIDE, states=(), encoder=HEVC)
    plain = make_card(tmp_path / "plain.mp4", bare, STRIPES)
    assert facts_of(plain).picture is not None
    for refused in (with_record(plain, tmp_path / "box.mp4"), with_metadata(plain, tmp_path / "pictures.mkv")):
        with pytest.raises(ProbeFailed, match=DOLBY_VISION) as told:
            facts_of(refused)
        assert "HDR10" in told.value.remedy


def test_dolby_vision_above_a_base_layer_is_shown(tmp_path: Path) -> None:
    """A picture that states HDR10 beneath its Dolby Vision is shown as HDR10."""
    stated = replace(WIDE, transfer="smpte2084", encoder=HEVC)
    plain = make_card(tmp_path / "plain.mp4", stated, light_of(100 * STRIPES**DISPLAY_GAMMA, "smpte2084"))
    picture = facts_of(with_metadata(plain, tmp_path / "profile8.mkv")).picture
    assert picture is not None
    assert "smpte2084" in picture.high_dynamic_range
