"""Languages are read from every code in use, and preferences are refused with the word that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.languages import (
    TrackPreference,
    distance,
    language_named,
    language_tag,
    parse_audio,
    parse_subtitles,
    preference_of,
)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("ru", "ru"),
        ("rus", "ru"),
        ("RU_ru", "ru-RU"),
        ("ger", "de"),
        ("deu", "de"),
        ("fre", "fr"),
        ("chi", "zh"),
        ("iw", "he"),
        ("pt-br", "pt-BR"),
        ("zh-Hans", "zh-Hans"),
        ("und", ""),
        ("mul", ""),
        ("zxx", ""),
        ("", ""),
        ("no language!", ""),
    ],
)
def test_every_code_becomes_one_tag(text: str, tag: str) -> None:
    """ISO 639-1, both kinds of 639-2, BCP 47 and outdated codes of one language are one tag; no language is none."""
    assert language_tag(text) == tag


@pytest.mark.parametrize(
    ("wanted", "found", "meets"),
    [
        ("ru", "ru", True),
        ("ru", "uk", False),
        ("pt", "pt-BR", True),
        ("pt-BR", "pt-PT", True),
        ("zh", "zh-Hant", True),
        ("no", "nb", True),
        ("en", "", False),
        ("hr", "sr", False),
    ],
)
def test_a_region_is_no_other_language(wanted: str, found: str, meets: bool) -> None:  # noqa: FBT001 - a table
    """A language meets its own regions and scripts, and no other language."""
    assert (distance(wanted, found) is not None) is meets


def test_the_nearest_region_is_nearest() -> None:
    """Brazilian Portuguese is nearer to Brazilian than European is."""
    near, far = distance("pt-BR", "pt-BR"), distance("pt-BR", "pt-PT")
    assert near is not None
    assert far is not None
    assert near < far


def test_titles_name_languages() -> None:
    """A track without a tag is known by a name in its title, in English, Russian or the language itself."""
    assert language_named("Дубляж, Русский") == "ru"
    assert language_named("[ENGLISH] 5.1") == "en"
    assert language_named("Stereo") == ""


def test_preferences_are_read() -> None:
    """Codes become tags in order, once each; off, forced and original are words of their own."""
    assert parse_audio("rus, en ORIGINAL,ru") == ("ru", "en", "original")
    assert parse_subtitles("off") == ()
    assert parse_subtitles("Forced") == ("forced",)
    assert parse_subtitles("rus,eng") == ("ru", "en")
    with pytest.raises(ValueError, match="russian"):
        parse_audio("en,russian")
    with pytest.raises(ValueError, match="original"):
        parse_subtitles("original")


def test_an_item_overrides_the_channel() -> None:
    """What a line says goes before the setting; off in a line turns the channel's subtitles off."""
    channel = TrackPreference(audio=("ru",), subtitles=("en",))
    assert preference_of("", "", channel) == channel
    assert preference_of("en", "off", channel) == TrackPreference(audio=("en",))
    assert str(channel) == "audio=ru subtitles=en"


@given(st.text(max_size=12))
def test_any_text_is_a_tag_or_none(text: str) -> None:
    """Whatever a container says, its tag is usable or empty, and stays the same when read again."""
    tag = language_tag(text)
    assert tag == "" or language_tag(tag) == tag
