"""Subtitles are drawn on the picture at their time, in every format, from streams and from files next to the film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stands.feeding import SMALL, feed_of, item_of, play, write_packets
from stands.multilingual import run_ffmpeg
from stands.site import Site
from stands.subtitled import CUES, ass, make_bitmaps, make_plain, make_subtitled, pictures, spans, srt, vtt, written
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import SubtitlesFailed
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.prepare import PrepareResult, prepare_item
from tg_video_streamer.feed.state import FeedMode, FeedState
from tg_video_streamer.ffmpeg.binary import roboto
from tg_video_streamer.languages import preference_of
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.resolve.resolver import Resolver

_RUSSIAN = preference_of("", "ru")
_TEXT_KINDS = {
    "subrip.mkv": ("srt", srt()),
    "ass.mkv": ("ass", ass()),
    "webvtt.mkv": ("webvtt", vtt()),
    "mov_text.mp4": ("mov_text", srt()),
}


async def _resolve(item: Item) -> Media | Expansion:
    return resolve_file(item, AllowedFolders.of([Path(item.locator).parent]), preference=_RUSSIAN)


async def _played(path: Path, ffmpeg: Path, headers: CodecHeaders, *, resumed: float = 0.0, **options: object) -> Path:
    feed = feed_of(
        item_of(path, **options),
        ffmpeg,
        headers=headers,
        preference=_RUSSIAN,
        resolve=_resolve,
        start_seconds=resumed,
    )
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    target = path.with_suffix(".played.mkv")
    write_packets(target, played.packets, headers)
    return target


def _near(found: list[tuple[float, float]], wanted: list[tuple[float, float]]) -> bool:
    """The same spans, to two pictures."""
    return len(found) == len(wanted) and bool(np.allclose(found, wanted, atol=0.081))


@pytest.mark.parametrize("name", _TEXT_KINDS)
async def test_text_is_drawn(name: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Embedded text is on the picture from its first moment to its last, in every format."""
    codec, text = _TEXT_KINDS[name]
    path = make_subtitled(tmp_path / name, codec, text)
    assert _near(spans(await _played(path, each_ffmpeg, headers)), list(CUES))


@pytest.mark.parametrize(("name", "codec"), [("pgs.mkv", "copy"), ("dvb.ts", "dvbsub"), ("dvb.mkv", "dvbsub")])
async def test_bitmaps_are_drawn(
    name: str, codec: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Bitmaps of discs and broadcasts are on the picture at their time and place, whatever the size of their canvas."""
    path = make_bitmaps(tmp_path / name, codec)
    target = await _played(path, each_ffmpeg, headers)
    assert _near(spans(target), list(CUES))
    luma = next(luma for seconds, luma in pictures(target) if seconds >= 1.5)
    rows, columns = np.nonzero(luma > 200)
    # The bar of 600x90 at (660, 900) of 1920x1080, in a picture of 320x180.
    assert abs(rows.min() - 150) <= 2
    assert abs(rows.max() - 165) <= 2
    assert abs(columns.min() - 110) <= 2
    assert abs(columns.max() - 210) <= 2


@pytest.mark.parametrize(("name", "codec"), [("film.mkv", "srt"), ("film.mp4", "mov_text")])
@pytest.mark.parametrize(("line", "resumed"), [(1.5, 0.0), (0.0, 1.5), (0.5, 1.0)])
async def test_subtitles_keep_their_time_after_a_seek(
    name: str, codec: str, line: float, resumed: float, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """With `start=`, and where an item is resumed in the middle, words are there when they are spoken."""
    path = make_subtitled(tmp_path / name, codec, srt())
    found = spans(await _played(path, each_ffmpeg, headers, resumed=resumed, start_seconds=line))
    assert _near(found, [(max(resumed, since - line), until - line) for since, until in CUES])


@pytest.mark.parametrize(("name", "codec"), [("pgs.mkv", "copy"), ("dvb.ts", "dvbsub")])
async def test_bitmaps_keep_their_time_after_a_seek(
    name: str, codec: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """With `start=`, and where a broadcast that seeks inexactly is resumed, bitmaps are there when they are spoken."""
    path = make_bitmaps(tmp_path / name, codec)
    found = spans(await _played(path, each_ffmpeg, headers, resumed=1.0, start_seconds=1.5))
    assert _near(found, [(since - 1.5, until - 1.5) for since, until in CUES[1:]])


@pytest.mark.parametrize(
    "charset",
    ["cp1251", "utf-16", *(pytest.param(name, marks=pytest.mark.long) for name in ("utf-8", "utf-8-sig", "koi8_r"))],
)
async def test_a_file_next_to_the_film_is_drawn(
    charset: str, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The words of film.ru.srt are the same picture in every charset as in the film itself."""
    inside = make_subtitled(tmp_path / "inside.mkv", "srt", srt())
    path = make_plain(tmp_path / "film.mkv")
    (tmp_path / "film.ru.srt").write_bytes(srt().encode(charset))
    (tmp_path / "film.en.srt").write_text(srt(("Wrong", "Wrong")))
    (tmp_path / "film2.ru.srt").write_text(srt(("Another film", "Another film")))
    ours = pictures(await _played(path, ffmpeg, headers))
    theirs = pictures(await _played(inside, ffmpeg, headers))
    assert len(ours) == len(theirs)
    assert max(float(np.abs(a.astype(int) - b).mean()) for (_, a), (_, b) in zip(ours, theirs, strict=True)) < 1


@pytest.mark.parametrize(("suffix", "text"), [("ass", ass()), ("vtt", vtt()), ("srt", srt())])
async def test_a_file_of_every_kind_is_drawn(
    suffix: str, text: str, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A file without a language in its name is taken too, in each format."""
    path = make_plain(tmp_path / "film.mp4")
    (tmp_path / f"film.{suffix}").write_text(text, encoding="utf-8")
    assert _near(spans(await _played(path, ffmpeg, headers)), list(CUES))


@pytest.mark.parametrize(("size", "shown"), [("320x180", "320:180"), ("320x240", "240:180"), ("160x320", "90:180")])
async def test_styled_text_looks_as_it_was_made(
    size: str, shown: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """ASS with its own font is the picture that ffmpeg alone draws from the film, inside of the bars of any shape."""
    path = make_subtitled(tmp_path / "styled.mkv", "ass", ass(), font=roboto("Black"), size=size)
    reference = tmp_path / "reference.mkv"
    graph = f"scale={shown},subtitles={path},pad={SMALL.width}:{SMALL.height}:-1:-1"
    run_ffmpeg("-i", str(path), "-vf", graph, "-an", "-c:v", "ffv1", str(reference))
    ours = dict(_by_frame(await _played(path, each_ffmpeg, headers)))
    theirs = dict(_by_frame(reference))
    for number in (10, 35, 60, 112, 140):
        assert written(ours[number]) is written(theirs[number])
        assert float(np.abs(ours[number].astype(int) - theirs[number]).mean()) < 2.5


def _by_frame(path: Path) -> list[tuple[int, np.ndarray]]:
    return [(round(seconds * 25), luma) for seconds, luma in pictures(path)]


async def test_what_cannot_be_drawn_is_left_out(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A damaged subtitle file costs the subtitles, not the item; what lacks them is not cached, and preparing it says why."""
    path = make_plain(tmp_path / "film.mp4")
    (tmp_path / "film.ru.ass").write_bytes(bytes(range(256)) * 8)
    library = _library(tmp_path / "library", headers)

    def feed(item: Item, mode: FeedMode = FeedMode.PREPARING) -> Feed:
        return feed_of(
            item,
            ffmpeg,
            headers=headers,
            preference=_RUSSIAN,
            resolve=_resolve,
            library=library,
            mode=mode,
        )

    on_air = feed(item_of(path), FeedMode.ON_AIR)
    played = await play(on_air)
    assert on_air.state is FeedState.ENDED, on_air.last_error
    assert len(played.pictures) == 150
    assert not on_air.cache_complete

    async def preparing(item: Item) -> Feed:
        return feed(item)

    prepared = await prepare_item(item_of(path), preparing)
    assert prepared.result is PrepareResult.FAILED
    assert isinstance(prepared.error, SubtitlesFailed)
    library.close()


def _library(folder: Path, headers: CodecHeaders) -> Library:
    library = Library(
        folder,
        max_bytes=10**9,
        floor_bytes=0,
        house=SMALL,
        headers=headers,
        clock=SystemClock(),
        preference=_RUSSIAN,
    )
    library.open()
    return library


async def test_a_new_subtitle_file_is_seen(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A cached encode is made again once a subtitle file is put next to the film, or changed; not else."""
    path = make_plain(tmp_path / "film.mkv")
    library = _library(tmp_path / "library", headers)
    for text, cached in (("", False), ("", True), (srt(), False), (srt(), True)):
        if text and not cached:
            (tmp_path / "film.ru.srt").write_text(text, encoding="utf-8")
        feed = feed_of(item_of(path), ffmpeg, headers=headers, preference=_RUSSIAN, resolve=_resolve, library=library)
        played = await play(feed)
        assert feed.plays_cached is cached
        write_packets(tmp_path / "played.mkv", played.packets, headers)
        assert _near(spans(tmp_path / "played.mkv"), list(CUES) if text else [])
    library.close()


async def test_subtitles_of_a_web_video_are_drawn(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """What a page names as the film's subtitles is on its picture."""
    clip = make_plain(tmp_path / "clip.mp4")
    track = '<track kind="subtitles" srclang="ru" src="/ru.vtt">'
    with Site() as site:
        site.file("/clip.mp4", clip)
        site.text("/ru.vtt", vtt(), "text/vtt")
        site.text("/film", f'<video><source src="/clip.mp4" type="video/mp4">{track}</video>', "text/html")
        resolver = Resolver(
            allowed=lambda: AllowedFolders.of([tmp_path]), scratch_folder=tmp_path / "scratch", preference=_RUSSIAN
        )
        feed = feed_of(
            item_of(site.url("/film")), ffmpeg, headers=headers, preference=_RUSSIAN, resolve=resolver.resolve
        )
        played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    write_packets(tmp_path / "played.mkv", played.packets, headers)
    assert _near(spans(tmp_path / "played.mkv"), list(CUES))
