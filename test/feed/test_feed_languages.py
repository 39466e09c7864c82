"""The sound that is heard is in the preferred language."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.feeding import feed_of, item_of, play
from stands.multilingual import Voice, heard_hertz, make_voices
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.languages import TrackPreference, preference_of
from tg_video_streamer.media import CodecHeaders

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
