"""A source that changes in its middle, or has lost packets, plays on: picture and sound at their own times."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from stands.feeding import SMALL, Played, feed_of, item_of, play, write_packets
from stands.house import FRAME_TICKS
from stands.numbered import Plan, any_ffmpeg, make_clip
from stands.recording import Recording, luma_of, read_picture, skews
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.overlay.overlay import Logo, Overlay
from tg_video_streamer.feed.state import FeedMode, FeedState
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders, Fit
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

PART_FRAMES = 100
FLASHES = (25, 75)
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50")
PLAIN = Plan(
    item_id=9,
    frames=PART_FRAMES,
    width=640,
    height=360,
    flashes=FLASHES,
    encoder=(*X264, "-pix_fmt", "yuv420p"),
    audio_encoder=("-c:a", "ac3", "-b:a", "192k"),
)
CHANGED = {
    "size": replace(PLAIN, width=320, height=180),
    "shape": replace(PLAIN, encoder=(*X264, "-pix_fmt", "yuv420p", "-vf", "setsar=3/4")),
    "pixels": replace(PLAIN, encoder=(*X264, "-pix_fmt", "yuv422p")),
    "colors": replace(PLAIN, encoder=(*X264, "-pix_fmt", "yuvj420p", "-colorspace", "smpte170m")),
    "rate": replace(PLAIN, sample_rate=44100),
    "layout": replace(PLAIN, channels=6),
}


def changing(kind: str, folder: Path, *, parts: int = 3) -> Path:
    """A broadcast whose second, fourth … parts differ from the first in `kind`."""
    path = folder / f"changing-{kind}-{parts}.ts"
    if path.exists():
        return path
    pieces = []
    for number in range(parts):
        plan = replace(CHANGED[kind] if number % 2 else PLAIN, first_number=number * PART_FRAMES)
        offset = ("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", f"{number * PART_FRAMES / 25:g}")
        pieces.append(make_clip(folder / f"{kind}-{number}.ts", plan, extra=offset).read_bytes())
    path.write_bytes(b"".join(pieces))
    return path


def make(*arguments: str) -> None:
    """Run ffmpeg."""
    subprocess.run([any_ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def check(played: Played, recording: Recording, *, frames: int, flashes: int, beeps: int | None = None) -> None:
    """Every picture within a frame of its own time, every beep within a packet and a frame of its flash."""
    assert played.feed.state is FeedState.ENDED, played.feed.last_error
    assert [one.ticks for one in played.pictures] == [number * FRAME_TICKS for number in range(len(played.pictures))]
    assert abs(len(recording.looks) - frames) <= 1
    wrong = [(at, look.number) for at, look in enumerate(recording.looks) if abs((look.number or 0) - at) > 2]
    assert wrong == []
    assert (len(recording.flashes), len(recording.beeps)) == (flashes, flashes if beeps is None else beeps)
    assert max(abs(skew) for skew in skews(recording)) < 0.022 + 0.04
    assert max(after.ticks - before.ticks for before, after in pairwise(played.sound)) <= 2 * 64
    assert abs(len(played.sound) * 1024 / 48000 - frames / 25) < 0.1


@pytest.mark.parametrize("kind", CHANGED)
async def test_a_change_in_the_middle_costs_nothing(
    kind: str, clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Where size, shape, pixels, colors, sample rate or layout change and change back, picture and sound play on."""
    played = await play(feed_of(item_of(changing(kind, clips)), each_ffmpeg, headers=headers))
    recording = played.decoded(tmp_path, headers)
    check(played, recording, frames=3 * PART_FRAMES, flashes=6)


HDR = replace(
    PLAIN,
    encoder=(
        *(*X264, "-pix_fmt", "yuv420p10le"),
        *("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"),
    ),
)


@pytest.mark.parametrize("fit", [Fit.PAD, Fit.BLUR])
async def test_high_dynamic_range_changes_its_shape(
    fit: Fit, tmp_path: Path, each_ffmpeg: Path, headers: CodecHeaders
) -> None:
    """Where only the shape of its pixels changes, HDR is not stretched: the narrower picture stands in the middle."""
    pieces = []
    for number, encoder in enumerate((HDR.encoder, (*HDR.encoder, "-vf", "setsar=3/4"))):
        plan = replace(HDR, encoder=encoder, frames=25, first_number=number * 25, flashes=())
        offset = ("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", f"{number}")
        pieces.append(make_clip(tmp_path / f"{number}.ts", plan, extra=offset).read_bytes())
    (tmp_path / "whole.ts").write_bytes(b"".join(pieces))
    played = await play(feed_of(item_of(tmp_path / "whole.ts", fit=fit), each_ffmpeg, headers=headers))
    write_packets(tmp_path / "played.mkv", played.packets, headers)
    with av.open(str(tmp_path / "played.mkv")) as container:
        pictures = [luma_of(frame) for frame in container.decode(video=0)]
    assert len(pictures) == 50
    wide, narrow = pictures[10], pictures[40]
    assert read_picture(wide).rectangle == (0, 0, 320, 180)
    if fit is Fit.PAD:
        assert (read_picture(narrow).number, read_picture(narrow).rectangle) == (40, (40, 0, 280, 180))
    else:
        # The blurred picture beside the narrower one has no sharp edges.
        assert read_picture(narrow[:, 40:280]).number == 40
        assert np.abs(np.diff(narrow[:, 8:32].astype(int))).max() < 16


LOSING = replace(PLAIN, frames=300, flashes=tuple(range(25, 300, 50)), audio_encoder=("-c:a", "aac"))


@pytest.mark.parametrize(
    ("stream", "drop"),
    [("a", "eq(n,94)"), ("a", "between(n,94,96)+eq(n,400)"), ("a", "between(n,94,187)"), ("v", "eq(n,60)+eq(n,161)")],
    ids=["one-of-sound", "some-of-sound", "seconds-of-sound", "some-of-picture"],
)
async def test_lost_packets_move_nothing(
    stream: str, drop: str, clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Lost packets cost their own time alone: what follows is where it belongs, to the end."""
    whole = make_clip(clips / "losing.mkv", replace(LOSING, encoder=(*X264[:4], "-g", "1", "-pix_fmt", "yuv420p")))
    lossy = tmp_path / "lossy.mkv"
    escaped = drop.replace(",", "\\,")
    how = ["-c", "copy", f"-bsf:{stream}", f"noise=amount=0:drop='{escaped}'", str(lossy)]
    make("-i", str(whole), *how)
    played = await play(feed_of(item_of(lossy), each_ffmpeg, headers=headers))
    check(played, played.decoded(tmp_path, headers), frames=300, flashes=6, beeps=5 if "187" in drop else 6)


async def test_an_item_with_an_end_ends_there_after_a_change(
    clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A length counts from the start of the item, not from the last change of its picture or sound."""
    for kind in ("size", "rate"):
        item = item_of(changing(kind, clips), start_seconds=2.0, end_seconds=9.0)
        played = await play(feed_of(item, each_ffmpeg, headers=headers))
        numbers = played.decoded(tmp_path, headers).numbers(9)
        assert len(numbers) == 175
        assert max(abs(number - at) for at, number in enumerate(numbers, start=50)) <= 2
        assert abs(len(played.sound) * 1024 / 48000 - 7.0) < 0.1


async def test_the_logo_stays_after_a_change(
    clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Logo and title are on the pictures after a change of size as on those before it."""
    Image.new("RGBA", (60, 40), (220, 20, 20, 255)).save(tmp_path / "logo.png")
    logo = Overlay(logo=Logo(png=(tmp_path / "logo.png").read_bytes(), digest="red"))

    async def choose() -> Overlay:
        return logo

    played = await play(feed_of(item_of(changing("size", clips)), each_ffmpeg, headers=headers, overlay=choose))
    write_packets(tmp_path / "played.mkv", played.packets, headers)
    with av.open(str(tmp_path / "played.mkv")) as container:
        red = [bool(frame.to_ndarray(format="rgb24")[18, 300, 0] > 180) for frame in container.decode(video=0)]
    assert len(red) == 3 * PART_FRAMES
    assert all(red)


def _combed(frame: Any) -> float:
    """How much neighboring lines differ while every second line is alike."""
    lines = luma_of(frame).astype(np.int32)
    first, second, third = lines[:-2], lines[1:-1], lines[2:]
    torn = (np.abs(first - second) > 40) & (np.abs(second - third) > 40) & (np.abs(first - third) < 20)
    return float(torn.mean())


async def test_interlacing_that_begins_later_is_removed(
    clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A broadcast that begins progressive and continues interlaced is not combed."""
    box = (
        "color=gray:s=720x480:r=50:d=3[g];color=white:s=40x300:r=50:d=3[b];"
        "[g][b]overlay=x='mod(n*14,680)':y=88,tinterlace=interleave_top"
    )
    parts = {
        "progressive": ("-f", "lavfi", "-i", "color=gray:s=720x480:r=25:d=2", *X264),
        "interlaced": ("-filter_complex", box, *X264, "-flags", "+ildct+ilme", "-output_ts_offset", "2"),
    }
    sources = b""
    for name, how in parts.items():
        made = clips / f"{name}.ts"
        make(*how, "-pix_fmt", "yuv420p", "-muxdelay", "0", "-muxpreload", "0", str(made))
        sources += made.read_bytes()
    path = tmp_path / "later.ts"
    path.write_bytes(sources)
    with av.open(str(clips / "interlaced.ts")) as container:
        assert max(map(_combed, container.decode(video=0))) > 0.01
    played = await play(feed_of(item_of(path), each_ffmpeg, headers=headers))
    write_packets(tmp_path / "played.mkv", played.packets, headers)
    with av.open(str(tmp_path / "played.mkv")) as container:
        combed = [_combed(frame) for frame in container.decode(video=0)]
    assert len(combed) >= 124
    assert max(combed) < 0.002


async def test_a_cached_encode_of_such_a_source_is_right(
    clips: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An item that changes in its middle is prepared as it is played, and played from the library as it was prepared."""
    library = Library(
        tmp_path / "library", max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=SystemClock()
    )
    library.open()
    path = changing("rate", clips)

    async def resolve(item: Item) -> Media | Expansion:  # noqa: ARG001 - there is one item
        return Media(inputs=(MediaInput(location=str(path), is_file=True),), title="changing", source_id="changing")

    for mode in (FeedMode.PREPARING, FeedMode.ON_AIR):
        feed = feed_of(item_of(path), ffmpeg, headers=headers, library=library, mode=mode, resolve=resolve)
        played = await play(feed)
    library.close()
    assert feed.plays_cached
    check(played, played.decoded(tmp_path, headers), frames=3 * PART_FRAMES, flashes=6)


async def test_an_item_in_house_format_that_lost_a_packet(
    each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An item that passes through is encoded from the group with the lost packet on, and nothing moves."""
    clip = make_clip(tmp_path / "plain.mkv", replace(LOSING, width=320, height=180))
    first = await play(feed_of(item_of(clip), each_ffmpeg, headers=headers))
    write_packets(tmp_path / "house.mkv", first.packets, headers)
    lossy = tmp_path / "lossy.mkv"
    make("-i", str(tmp_path / "house.mkv"), "-c", "copy", "-bsf:a", r"noise=amount=0:drop='eq(n\,300)'", str(lossy))
    played = await play(feed_of(item_of(lossy), each_ffmpeg, headers=headers))
    check(played, played.decoded(tmp_path, headers), frames=300, flashes=6)
