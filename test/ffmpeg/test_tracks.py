"""The choice of sound and subtitles is what a viewer of that language would make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.ffmpeg.tracks import Track, TrackKind, choose_audio, choose_subtitles, described
from tg_video_streamer.languages import TrackPreference, parse_audio, parse_subtitles


def _audio(*said: str) -> list[Track]:
    """Tracks from words such as `ru default` or `en commentary "Title"`."""
    return [_track(TrackKind.AUDIO, number, one) for number, one in enumerate(said)]


def _subtitles(*said: str) -> list[Track]:
    return [_track(TrackKind.SUBTITLES, number, one) for number, one in enumerate(said)]


def _track(kind: TrackKind, number: int, said: str) -> Track:
    words, _, title = said.partition('"')
    language, *flags = words.split()
    track = Track(
        kind=kind,
        input_index=0,
        stream_index=number,
        language="" if language == "?" else language,
        title=title.rstrip('"'),
    )
    return described(_marked(track, flags))


def _marked(track: Track, flags: Iterable[str]) -> Track:
    on: dict[str, Any] = dict.fromkeys(flags, True)
    return replace(track, **on)


@pytest.mark.parametrize(
    ("wanted", "tracks", "chosen"),
    [
        ("", ("ru", "en default"), 1),
        ("", ("ru commentary default", "ru"), 1),
        ("ru", ("en default", "ru"), 1),
        ("ru,en", ("de default", "en", "fr"), 1),
        ("ru,en", ("en default", "ru", "ru default"), 2),
        ("ru,en", ("en", "ru commentary"), 0),
        ("ru,en", ("en", "ru descriptive"), 0),
        ("ru", ("ru commentary", "ru descriptive"), 1),
        ("fr", ("ru", "en default"), 1),
        ("original", ("ru dubbed default", "en original"), 1),
        ("original", ("ru dubbed default", "en"), 1),
        ("original,ru", ("en default", "ru"), 1),
        ("ru,original", ("en original", "de default"), 0),
        ("pt-BR", ("pt-PT", "pt-BR"), 1),
        ("pt", ("en default", "pt-BR"), 1),
        ("ru", ('? default "English"', '? "Русский дубляж"'), 1),
        ("original", ('ru default "Дубляж"', 'en "Original"'), 1),
        ("en", ('en default "Director\'s commentary"', "en"), 1),
    ],
)
def test_audio_is_chosen(wanted: str, tracks: tuple[str, ...], chosen: int) -> None:
    """Language in the operator's order, then the source's default; commentary and description last."""
    found = choose_audio(_audio(*tracks), TrackPreference(audio=parse_audio(wanted)), usual=0)
    assert found is not None
    assert found.stream_index == chosen


@pytest.mark.parametrize(
    ("wanted", "spoken", "tracks", "chosen"),
    [
        ("off", "en", ("en default forced", "ru"), None),
        ("ru", "en", ("en", "ru"), 1),
        ("ru,en", "fr", ("en", "de"), 0),
        ("ru", "en", ("en", "de"), None),
        ("ru", "en", ("ru forced", "ru"), 1),
        ("ru", "ru", ("ru forced", "en"), 0),
        ("ru,en", "en", ("ru forced", "en"), 1),
        ("ru", "en", ("ru hearing_impaired", "ru"), 1),
        ("ru", "en", ("ru hearing_impaired",), 0),
        ("ru", "en", ("ru commentary", "ru"), 1),
        ("forced", "ru", ("ru", "ru forced", "en forced"), 1),
        ("forced", "en", ("ru", "ru forced"), None),
        ("forced", "", ("en", "ru forced"), 1),
        ("forced", "ru", ("ru", '? "Forced"'), 1),
        ("ru", "en", ('? "Русские"',), 0),
    ],
)
def test_subtitles_are_chosen(wanted: str, spoken: str, tracks: tuple[str, ...], chosen: int | None) -> None:
    """Whole subtitles in the operator's order of languages; forced ones only with sound of their language."""
    audio = Track(kind=TrackKind.AUDIO, input_index=0, stream_index=0, language=spoken)
    preference = TrackPreference(subtitles=parse_subtitles(wanted))
    found = choose_subtitles(_subtitles(*tracks), preference, audio)
    assert (found.stream_index if found is not None else None) == chosen


_FLAGS = ("default", "original", "dubbed", "forced", "commentary", "descriptive", "hearing_impaired")
_LANGUAGES = ("", "ru", "en", "pt-BR", "pt-PT", "zh-Hant")
_tracks = st.lists(
    st.tuples(st.sampled_from(_LANGUAGES), st.sets(st.sampled_from(_FLAGS), max_size=3)), max_size=6
).map(
    lambda facts: [
        _marked(Track(kind=TrackKind.AUDIO, input_index=0, stream_index=number, language=language), flags)
        for number, (language, flags) in enumerate(facts)
    ]
)
_wanted = st.lists(st.sampled_from(("ru", "en", "pt", "zh", "original")), unique=True).map(tuple)


@given(_tracks, _wanted)
def test_any_item_with_sound_is_heard(tracks: list[Track], wanted: tuple[str, ...]) -> None:
    """Whatever is preferred, an item with sound is heard, in no commentary while there is something else, in any order."""
    preference = TrackPreference(audio=wanted)
    chosen = choose_audio(tracks, preference)
    assert (chosen is None) is (not tracks)
    assert choose_audio(list(reversed(tracks)), preference) == chosen
    if chosen is not None and not all(one.commentary for one in tracks):
        assert not chosen.commentary


@given(_tracks, st.lists(st.sampled_from(("ru", "en", "pt", "zh")), unique=True, min_size=1).map(tuple))
def test_subtitles_are_never_in_another_language(tracks: list[Track], wanted: tuple[str, ...]) -> None:
    """Subtitles are in one of the languages that are preferred, or there are none."""
    chosen = choose_subtitles(tracks, TrackPreference(subtitles=wanted), None)
    if chosen is not None:
        assert chosen.language.partition("-")[0] in wanted
    elif any(one.language.partition("-")[0] in wanted for one in tracks):
        raise AssertionError("subtitles of a preferred language were left out")
