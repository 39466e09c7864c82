"""The sound that is heard is in the preferred language."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.feeding import SMALL, feed_of, item_of, play
from stands.multilingual import Voice, heard_hertz, make_voices, run_ffmpeg
from stands.site import Site
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.languages import TrackPreference, preference_of
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Expansion, Media

_VOICES = (
    Voice(hertz=400, language="eng", title="Original", flags="default"),
    Voice(hertz=700, language="rus", title="Дубляж", flags="dub"),
    Voice(hertz=1100, language="fre"),
    Voice(hertz=1500, language="rus", title="Комментарии", flags="comment"),
)


async def _heard(
    path: Path, ffmpeg: Path, headers: CodecHeaders, folder: Path, preference: TrackPreference, **options: str
) -> int:
    feed = feed_of(item_of(path, **options), ffmpeg, headers=headers, preference=preference)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    return heard_hertz(played.decoded(folder, headers).samples)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize(
    ("wanted", "line", "hertz"), [("", "", 400), ("ru,en", "", 700), ("ru", "fr", 1100), ("original", "", 400)]
)
async def test_the_preferred_language_is_heard(
    suffix: str, wanted: str, line: str, hertz: int, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Of four tracks the one is heard that the setting prefers, or the line where it says so; no commentary."""
    path = make_voices(tmp_path / f"film.{suffix}", _VOICES)
    preference = preference_of(wanted, "")
    assert await _heard(path, ffmpeg, headers, tmp_path, preference, audio=line) == hertz


async def test_the_other_ffmpeg_plays_it_too(wheel: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """The wheel's ffmpeg plays the same track."""
    path = make_voices(tmp_path / "film.mkv", _VOICES)
    assert await _heard(path, wheel, headers, tmp_path, preference_of("ru", "")) == 700


async def test_hls_plays_the_rendition_of_the_language(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Of the renditions of an HLS stream the one in the preferred language is heard."""
    film = make_voices(tmp_path / "film.mp4", _VOICES[:2])
    names = "a:0,agroup:sound,language:eng,default:yes a:1,agroup:sound,language:rus v:0,agroup:sound"
    folder = tmp_path / "hls"
    folder.mkdir()
    run_ffmpeg(
        *("-i", str(film), "-map", "0:a:0", "-map", "0:a:1", "-map", "0:v", "-c", "copy"),
        *("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-var_stream_map", names),
        *("-master_pl_name", "master.m3u8", str(folder / "%v.m3u8")),
    )
    with Site() as site:
        for file in folder.iterdir():
            site.file(f"/{file.name}", file)
        for preference, hertz in (("ru", 700), ("en", 400)):
            feed = feed_of(
                item_of(site.url("/master.m3u8")), ffmpeg, headers=headers, preference=preference_of(preference, "")
            )
            played = await play(feed)
            assert feed.state is FeedState.ENDED, feed.last_error
            assert heard_hertz(played.decoded(tmp_path, headers).samples) == hertz


async def test_a_cached_encode_in_another_language_is_not_reused(
    ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A film that is cached in one language is encoded again for another, and each is found again as it was."""
    path = make_voices(tmp_path / "film.mkv", _VOICES)
    clock = SystemClock()
    library = Library(tmp_path / "library", max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=clock)
    library.open()

    async def resolve(item: Item) -> Media | Expansion:
        return resolve_file(item, AllowedFolders.of([tmp_path]), preference=library.preference)

    for wanted, line, hertz, cached in (
        ("", "", 400, False),
        ("ru", "", 700, False),
        ("ru", "fr", 1100, False),
        ("ru", "", 700, True),
        ("", "", 400, True),
        ("", "rus", 700, True),
    ):
        library.preference = preference_of(wanted, "")
        feed = feed_of(
            item_of(path, audio=line),
            ffmpeg,
            headers=headers,
            resolve=resolve,
            library=library,
            preference=library.preference,
        )
        played = await play(feed)
        assert feed.plays_cached is cached
        assert heard_hertz(played.decoded(tmp_path, headers).samples) == hertz
    library.close()
