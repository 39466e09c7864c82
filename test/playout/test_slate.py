"""The slate: what viewers see, how fast it is ready, and that no fault prevents it."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import structlog.testing
from PIL import Image

from stands.ffmpegs import both_ffmpegs
from stands.house import FRAME_TICKS, GOP_FRAMES, house_of
from tg_video_streamer.errors import EncoderFailed
from tg_video_streamer.events import SlateReason
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.command import feed_command
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.runner import guarded_command, run
from tg_video_streamer.ffmpeg.source import AudioTrack, Picture, SourceFacts
from tg_video_streamer.media import CodecHeaders, Packet
from tg_video_streamer.playout.slate import SENTENCES, Slate, prepare_slate
from tg_video_streamer.playout.slate_image import SlateImageRequest, draw

HOUSE = house_of("480p")


FFMPEGS = both_ffmpegs()


def pictures(headers: CodecHeaders, packets: Sequence[Packet]) -> list[np.ndarray]:
    """The packets as decoded: luma planes, height x width; any decoding error raises."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = headers.video
    decoder.options = {"err_detect": "explode"}
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    frames += decoder.decode(None)
    return [frame.to_ndarray(format="gray") for frame in frames]


def sound(slate: Slate, count: int) -> np.ndarray:
    """Samples of the silence packet, decoded `count` times in a row."""
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = slate.headers.audio
    frames = [frame for _ in range(count) for frame in decoder.decode(av.Packet(slate.silence))]
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def words_shown(picture: np.ndarray) -> float:
    """How much of the middle of the picture is as bright as text, 0 to 1."""
    height, width = picture.shape
    middle = picture[height // 4 : -height // 4, width // 8 : -width // 8]
    return float((middle > 140).mean())


def prepare(tmp_path: Path, *, ffmpeg: Path | None = None, complete: bool = False, **given: object) -> Slate:
    """A slate, by default with no text or image of the operator's."""

    async def body() -> Slate:
        house = given.pop("house", HOUSE)
        assert isinstance(house, HouseFormat)
        slate = await prepare_slate(house, ffmpeg=ffmpeg or find_ffmpeg(), cache_dir=tmp_path / "cache", **given)  # type: ignore[arg-type] # the tests' own words
        if complete:
            await slate.complete()
        return slate

    return asyncio.run(body())


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Slate, Path, float]:
    """A complete slate, the folder of its cache, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("first")
    began = time.monotonic()
    return prepare(folder, complete=True), folder, time.monotonic() - began


@pytest.mark.parametrize("ffmpeg", FFMPEGS, ids=lambda path: path.name[:12])
def test_the_slate_loops_without_a_seam(ffmpeg: Path, tmp_path: Path) -> None:
    """A GOP repeated three times decodes to 150 pictures with words on them, in the house format, and silence."""
    slate = prepare(tmp_path, ffmpeg=ffmpeg)
    gop = slate.gop(SlateReason.PAUSED)
    assert [packet.ticks for packet in gop] == [n * FRAME_TICKS for n in range(GOP_FRAMES)]
    assert [packet.keyframe for packet in gop] == [True] + [False] * (GOP_FRAMES - 1)
    shown = pictures(slate.headers, gop * 3)
    assert len(shown) == 150
    assert {picture.shape for picture in shown} == {(480, 854)}
    for picture in shown:
        assert 0.005 < words_shown(picture) < 0.3
        assert np.abs(picture.astype(int) - shown[0]).mean() < 1.5, "a still picture stays still, also at the seam"
    samples = sound(slate, 100)
    assert samples.shape[0] == 2
    assert samples.shape[1] >= 99 * 1024
    assert np.abs(samples).max() < 1e-4


def test_each_reason_has_its_own_image(first_start: tuple[Slate, Path, float]) -> None:
    """Each reason has its own lower line and shares everything else, and the GOPs are closed."""
    slate, _, _ = first_start
    last = {reason: pictures(slate.headers, slate.gop(reason))[-1] for reason in SlateReason}
    assert len({picture.tobytes() for picture in last.values()}) == len(SlateReason)
    paused, starting = last[SlateReason.PAUSED].astype(int), last[SlateReason.STARTING].astype(int)
    assert np.abs(paused - starting)[:200].max() < 40, "the same large line"
    mixed = pictures(slate.headers, slate.gop(SlateReason.PAUSED) + slate.gop(SlateReason.STARTING))
    assert np.abs(mixed[-1].astype(int) - starting).max() < 4, "one image after another leaves no trace"
    for reason in SlateReason:
        assert [packet.keyframe for packet in slate.gop(reason)] == [True] + [False] * (GOP_FRAMES - 1)


@pytest.mark.parametrize("ffmpeg", FFMPEGS, ids=lambda path: path.name[:12])
@pytest.mark.parametrize(
    "given", [(), ("-profile:v", "baseline", "-tune", "zerolatency"), ("-x264-params", "nal-hrd=vbr:ref=2")], ids=str
)
def test_the_slate_can_be_spliced_with_a_feed(given: tuple[str, ...], ffmpeg: Path, tmp_path: Path) -> None:
    """The slate's codec headers are byte for byte those of a feed, whatever the operator's encoder options."""
    house = house_of("480p", *given)
    slate = prepare(tmp_path, ffmpeg=ffmpeg, house=house)
    source = SourceFacts(
        picture=Picture(input_index=0, stream_index=0, codec="rawvideo", width=320, height=240),
        sound=AudioTrack(input_index=1, stream_index=0, codec="pcm_s16le", channels=1, sample_rate=44100),
        duration_seconds=1.0,
    )
    inputs = [("-f", "lavfi", "-i", "testsrc=size=320x240:rate=30:duration=1"), ("-f", "lavfi", "-i", "sine=d=1")]
    command = feed_command(ffmpeg, inputs, source=source, house=house, item_range=ItemRange())
    fed = asyncio.run(run(command, timeout_seconds=120))
    with av.open(BytesIO(fed.stdout), mode="r", format="matroska") as container:
        video, audio = (container.streams.video[0].codec_context, container.streams.audio[0].codec_context)
        assert slate.headers == CodecHeaders(video=bytes(video.extradata or b""), audio=bytes(audio.extradata or b""))


def test_before_it_is_complete_every_reason_has_the_general_image(tmp_path: Path) -> None:
    """Every reason has a picture from the first moment on."""
    slate = prepare(tmp_path)
    assert len({slate.gop(reason) for reason in SlateReason}) == 1
    assert words_shown(pictures(slate.headers, slate.gop(SlateReason.PAUSED))[0]) > 0.005


def test_a_second_start_encodes_nothing(first_start: tuple[Slate, Path, float]) -> None:
    """Cached images are the same packets and cost a fraction of the first start."""
    first, folder, cold = first_start
    kept = sorted((folder / "cache").iterdir())
    assert len(kept) == 1 + len(SENTENCES)
    stamps = [path.stat().st_mtime_ns for path in kept]
    began = time.monotonic()
    second = prepare(folder, complete=True)
    assert time.monotonic() - began < cold / 3
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert {reason: second.gop(reason) for reason in SlateReason} == {
        reason: first.gop(reason) for reason in SlateReason
    }


def test_unused_images_are_removed(tmp_path: Path) -> None:
    """Cached images of other texts are removed."""
    prepare(tmp_path, complete=True, reasons={})
    (old,) = (tmp_path / "cache").iterdir()
    prepare(tmp_path, complete=True, text="Other words", reasons={})
    (new,) = (tmp_path / "cache").iterdir()
    assert new != old


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_cache_is_made_again(damage: str, tmp_path: Path) -> None:
    """With any damage in the cache the slate is complete."""
    first = prepare(tmp_path)
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    kept.write_bytes({"empty": b"", "cut": whole[:-1000], "flipped": bytes(flipped), "foreign": b"#!/bin/sh\n"}[damage])
    second = prepare(tmp_path)
    assert len(pictures(second.headers, second.gop(SlateReason.PAUSED))) == GOP_FRAMES
    assert second.headers == first.headers
    assert hashlib.sha256(kept.read_bytes()[32:]).digest() == kept.read_bytes()[:32]


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """A slate needs no disk."""
    (tmp_path / "cache").write_text("a file where the folder should be")
    slate = prepare(tmp_path)
    assert len(slate.gop(SlateReason.PAUSED)) == GOP_FRAMES


def test_the_operators_image_is_shown_and_never_stretched(tmp_path: Path) -> None:
    """A square image fills the height with its shape and colors, and the text is on it."""
    Image.new("RGB", (300, 300), (40, 200, 60)).save(tmp_path / "logo.png")
    plain = prepare(tmp_path, image=tmp_path / "logo.png")
    picture = pictures(plain.headers, plain.gop(SlateReason.PAUSED))[-1]
    green = picture[100, 427]
    columns = np.flatnonzero(np.abs(picture[100].astype(int) - green) < 8)
    assert abs(len(columns) - 480) <= 4
    worded = prepare(tmp_path, image=tmp_path / "logo.png", text="Канал Один")
    shown = pictures(worded.headers, worded.gop(SlateReason.PAUSED))[-1]
    assert np.abs(shown[:200].astype(int) - picture[:200]).max() < 8
    assert (shown[300:] > 200).sum() > 500, "bright words at the bottom"
    assert worded.headers == plain.headers


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "huge", "folder"])
def test_a_bad_image_gives_the_plain_slate(kind: str, tmp_path: Path) -> None:
    """An unusable image is a warning to the operator, and viewers see the plain slate."""
    image = tmp_path / "image.png"
    if kind == "text":
        image.write_text("no picture")
    elif kind == "cut":
        Image.effect_noise((300, 300), 90).save(tmp_path / "whole.png")
        image.write_bytes((tmp_path / "whole.png").read_bytes()[:4000])
    elif kind == "huge":
        Image.new("1", (20_000, 20_000)).save(image)
    elif kind == "folder":
        image.mkdir()
    with structlog.testing.capture_logs() as logs:
        slate = prepare(tmp_path, image=image)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "SLATE_IMAGE" in logs[0]["remedy"]
    assert words_shown(pictures(slate.headers, slate.gop(SlateReason.PAUSED))[-1]) > 0.005


@pytest.mark.parametrize(
    "text", ["x" * 400, "слово " * 80, "a\nb\nc\nd\ne\nf\ng", "W", "{}%'\\:"], ids=lambda text: text[:4]
)
@pytest.mark.parametrize("size", [(854, 480), (360, 640), (480, 480)], ids=["wide", "upright", "square"])
def test_any_text_fits(text: str, size: tuple[int, int]) -> None:
    """Text never reaches the edge, which stays dark, in a frame of any shape."""
    width, height = size
    request = SlateImageRequest(width=width, height=height, text=text, reason="A reason", image="")
    png = draw(request)
    picture = np.asarray(Image.open(BytesIO(png)).convert("L"))
    assert picture.shape == (height, width)
    assert (picture > 140).sum() > 50
    edge = np.concatenate([picture[:6].ravel(), picture[-6:].ravel(), picture[:, -6:].ravel(), picture[:, :6].ravel()])
    assert edge.max() < 100


def test_letters_of_an_upright_frame_are_those_of_a_wide_one() -> None:
    """A short text takes as many points in a frame of 360x640 as in one of 640x360, and stays in one line."""

    def box(width: int, height: int) -> tuple[int, int]:
        card = Image.open(
            BytesIO(draw(SlateImageRequest(width=width, height=height, text="Back soon", reason="", image="")))
        )
        left, top, right, bottom = card.convert("L").point(lambda level: 255 * (level > 200)).getbbox() or (0, 0, 0, 0)
        return right - left, bottom - top

    assert box(360, 640) == pytest.approx(box(640, 360), abs=1)


def test_cyrillic_has_letters() -> None:
    """Cyrillic words are not drawn as empty boxes: different letters look different."""
    cards = {draw(SlateImageRequest(width=854, height=480, text=letter, reason="", image="")) for letter in "ЖШЩФЯ"}
    assert len(cards) == 5


def test_the_service_never_imports_pillow() -> None:
    """Preparing the slate loads no image library into the service's process."""
    code = "import sys, tg_video_streamer.playout.slate; sys.exit('PIL' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run(guarded_command([sys.executable, "-c", code]), check=False).returncode == 0


def test_an_ffmpeg_that_cannot_encode_is_named(tmp_path: Path) -> None:
    """Where ffmpeg cannot make the house format, the error has ffmpeg's message."""
    broken = house_of("480p", "-preset", "no-such-preset")
    with pytest.raises(EncoderFailed, match="no-such-preset"):
        prepare(tmp_path, house=broken)


def test_the_operators_encoder_arguments_shape_the_slate(tmp_path: Path) -> None:
    """Slate and items come from the same arguments, so that their headers are equal whatever the operator sets."""
    baseline = prepare(tmp_path, house=house_of("480p", "-profile:v", "baseline"))
    assert baseline.headers.video[1] == 66
    assert prepare(tmp_path).headers.video[1] == 100
