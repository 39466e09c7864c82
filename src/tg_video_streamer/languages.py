"""Which languages of sound and subtitles are preferred, and how a language tag or title of a track meets them; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

ORIGINAL = "original"
"""The sound in which it was made, whatever its language."""
OFF = "off"
FORCED = "forced"
"""Only the subtitles that translate what is foreign in the chosen sound."""

_CLOSE = 20
"""The largest distance of two tags that speakers of one understand (CLDR): Bokmål for Norwegian, not Ukrainian for Russian."""
_NAMES: Mapping[str, tuple[str, ...]] = {
    "ar": ("arabic", "العربية"),
    "be": ("belarusian", "беларуская", "белорусский"),
    "bg": ("bulgarian", "български"),
    "cs": ("czech", "čeština", "český"),
    "de": ("german", "deutsch", "немецкий"),
    "el": ("greek", "ελληνικά"),
    "en": ("english", "английский", "англ"),
    "es": ("spanish", "español", "castellano", "испанский"),
    "fa": ("persian", "farsi", "فارسی"),
    "fr": ("french", "français", "французский"),
    "he": ("hebrew", "עברית"),
    "hi": ("hindi", "हिन्दी"),
    "hu": ("hungarian", "magyar"),
    "it": ("italian", "italiano", "итальянский"),
    "ja": ("japanese", "日本語", "японский"),
    "ka": ("georgian", "ქართული"),
    "kk": ("kazakh", "қазақ", "казахский"),
    "ko": ("korean", "한국어", "корейский"),
    "nl": ("dutch", "nederlands"),
    "pl": ("polish", "polski", "польский"),
    "pt": ("portuguese", "português"),
    "ro": ("romanian", "română"),
    "ru": ("russian", "русский", "русская", "русские", "rus"),
    "sr": ("serbian", "srpski", "српски"),
    "sv": ("swedish", "svenska"),
    "tr": ("turkish", "türkçe", "турецкий"),
    "uk": ("ukrainian", "українська", "украинский", "укр", "ukr"),
    "uz": ("uzbek", "узбекский"),
    "zh": ("chinese", "mandarin", "中文", "китайский"),
}
"""Names in titles of tracks without a language tag."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackPreference:
    """The operator's preference; every language is a tag of BCP 47 in its usual form."""

    audio: tuple[str, ...] = ()
    """In order, `original` among them; empty: the track that the source marks as its default."""
    subtitles: tuple[str, ...] = ()
    """In order; empty for none, (`forced`,) for those alone."""

    def __str__(self) -> str:
        """Equal for equal preferences; empty for none."""
        parts = (("audio", self.audio), ("subtitles", self.subtitles))
        return " ".join(f"{name}={','.join(values)}" for name, values in parts if values)


NO_PREFERENCE = TrackPreference()


def preference_of(audio: str, subtitles: str, default: TrackPreference = NO_PREFERENCE) -> TrackPreference:
    """The preference of texts that `parse_audio` and `parse_subtitles` have accepted; an empty text means `default`."""
    return TrackPreference(
        audio=parse_audio(audio) if audio else default.audio,
        subtitles=parse_subtitles(subtitles) if subtitles else default.subtitles,
    )


def parse_audio(text: str) -> tuple[str, ...]:
    """`ru,en,original` as tags. Raises ValueError with the first word that is no language."""
    return _parsed(text, also=(ORIGINAL,))


def parse_subtitles(text: str) -> tuple[str, ...]:
    """`off`, `forced` or `ru,en` as tags: empty for `off`. Raises ValueError as `parse_audio` does."""
    if text.strip().lower() in {OFF, ""}:
        return ()
    return (FORCED,) if text.strip().lower() == FORCED else _parsed(text, also=())


def _parsed(text: str, *, also: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in text.replace(",", " ").split():
        tag = word.lower() if word.lower() in also else language_tag(word)
        if not tag:
            raise ValueError(word)
        found.setdefault(tag)
    return tuple(found)


@cache
def language_tag(text: str) -> str:
    """A tag of BCP 47 in its usual form for ISO 639-1, 639-2 (both kinds) or BCP 47; empty if `text` names no language."""
    import langcodes  # noqa: PLC0415 - 5 MB of tables that only a channel with these options needs

    try:
        tag = langcodes.standardize_tag(text.strip())
        language = langcodes.Language.get(tag)
        known = language.is_valid()
    except ValueError:
        return ""
    return tag if known and language.language not in {None, "und", "mul", "mis", "zxx"} else ""


def language_codes(tag: str) -> tuple[str, ...]:
    """What a site may call the language of a tag: the tag itself, and its language by each code of ISO 639."""
    import langcodes  # noqa: PLC0415 - as above

    language = langcodes.Language.get(tag)
    codes = [tag] if "-" in tag else [tag, language.to_alpha3(), language.to_alpha3(variant="B")]
    return tuple(dict.fromkeys(codes))


def language_named(title: str) -> str:
    """The language that a title names; empty if it names none."""
    named = set(re.findall(r"[^\W\d_]+", title.lower()))
    return next((tag for tag, names in _NAMES.items() if not named.isdisjoint(names)), "")


@cache
def distance(wanted: str, found: str) -> int | None:
    """How far a track's language is from a wanted one, 0 for the same; None if it is another language or not known."""
    if not wanted or not found:
        return None
    if wanted == found:
        return 0
    import langcodes  # noqa: PLC0415 - as above

    apart = int(langcodes.tag_distance(wanted, found))
    same = wanted.partition("-")[0] == found.partition("-")[0]
    return apart + 1 if same or apart <= _CLOSE else None
