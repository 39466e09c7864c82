"""Chooses the audio track and the subtitles of an item from the facts of its streams; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tg_video_streamer.languages import FORCED, ORIGINAL, TrackPreference, distance, language_named

_FAR = 10_000
_COMMENTARY = re.compile(r"comment|коммент", re.IGNORECASE)
_DESCRIPTIVE = re.compile(r"descri|тифло|\bAD\b|\bDVS\b", re.IGNORECASE)
_FORCED_TITLE = re.compile(r"forced|форс|надписи|signs", re.IGNORECASE)
_ORIGINAL_TITLE = re.compile(r"original|оригинал", re.IGNORECASE)
_DUBBED_TITLE = re.compile(r"\bdub|дубл|многоголос|одноголос|закадр|\bMVO\b|\bAVO\b|\bDVO\b", re.IGNORECASE)
_HEARING_TITLE = re.compile(r"\bSDH\b|\bCC\b|глухих", re.IGNORECASE)
_BITMAP_CODECS = frozenset({"hdmv_pgs_subtitle", "pgssub", "dvb_subtitle", "dvbsub", "dvd_subtitle", "dvdsub", "xsub"})


class TrackKind(StrEnum):
    """What a track holds."""

    AUDIO = "audio"
    SUBTITLES = "subtitles"


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One stream of sound or subtitles, or a subtitle file of its own."""

    kind: TrackKind
    input_index: int
    stream_index: int
    """Among the streams of its kind in its input, as in ffmpeg's `0:a:1` and `0:s:1`; for a file: its number."""
    codec: str = ""
    language: str = ""
    """A tag of BCP 47; empty if not known."""
    title: str = ""
    default: bool = False
    original: bool = False
    dubbed: bool = False
    forced: bool = False
    commentary: bool = False
    descriptive: bool = False
    hearing_impaired: bool = False
    file: str = ""
    """Of subtitles in a file of their own: its path; else empty."""
    encoding: str = ""
    """The charset of that file."""
    width: int = 0
    height: int = 0
    """Of the canvas of bitmap subtitles; 0 if not known."""

    @property
    def bitmap(self) -> bool:
        """Whether its subtitles are pictures."""
        return self.codec in _BITMAP_CODECS

    def __str__(self) -> str:
        """For people: `ru "Дубляж" (default)`."""
        flags = ("default", "original", "dubbed", "forced", "commentary", "descriptive", "hearing_impaired")
        names = ", ".join(flag.replace("_", " ") for flag in flags if getattr(self, flag))
        words = [self.language or "?", f'"{self.title}"' if self.title else "", f"({names})" if names else ""]
        return " ".join(filter(None, words))


def described(track: Track) -> Track:
    """`track` with what only its title says about it."""
    return replace(
        track,
        language=track.language or language_named(track.title),
        original=track.original or bool(_ORIGINAL_TITLE.search(track.title)),
        dubbed=track.dubbed or bool(_DUBBED_TITLE.search(track.title)),
        forced=track.forced or bool(_FORCED_TITLE.search(track.title)),
        commentary=track.commentary or bool(_COMMENTARY.search(track.title)),
        descriptive=track.descriptive or bool(_DESCRIPTIVE.search(track.title)),
        hearing_impaired=track.hearing_impaired or bool(_HEARING_TITLE.search(track.title)),
    )


def choose_audio(tracks: Sequence[Track], wanted: TrackPreference, *, usual: int | None = None) -> Track | None:
    """The audio track to play; None if there is none. `usual`: the stream index that a player would take."""

    def rank(track: Track) -> tuple[int, ...]:
        return (
            _special(track),
            *_language_rank(track, tracks, wanted.audio),
            not track.default,
            track.stream_index != usual,
            track.input_index,
            track.stream_index,
        )

    return min(tracks, key=rank, default=None)


def choose_subtitles(tracks: Sequence[Track], wanted: TrackPreference, audio: Track | None) -> Track | None:
    """The subtitles to show with the sound `audio`; None for none.

    Forced ones translate only what is foreign in a sound of their own language, so they count only with such a sound.
    """
    if not wanted.subtitles:
        return None
    spoken = audio.language if audio is not None else ""
    if wanted.subtitles == (FORCED,):
        candidates = [(0, _apart(spoken, one), one) for one in tracks if one.forced and _fits(one, spoken)]
    else:
        candidates = [
            (number, apart, one)
            for number, language in enumerate(wanted.subtitles)
            for one in tracks
            if (apart := distance(language, one.language)) is not None and (not one.forced or _fits(one, spoken))
        ]
        # A file without a language in its name was put there to be shown.
        candidates += [(len(wanted.subtitles), 0, one) for one in tracks if one.file and not one.language]
    ranked = [
        (
            (
                _special(one),
                number,
                one.forced,
                one.hearing_impaired,
                apart,
                not one.file,
                not one.default,
                one.stream_index,
            ),
            one,
        )
        for number, apart, one in candidates
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _special(track: Track) -> int:
    return 2 if track.commentary else 1 if track.descriptive else 0


def _language_rank(track: Track, tracks: Sequence[Track], wanted: tuple[str, ...]) -> tuple[int, int]:
    """The number of the first wanted language that the track meets, and how far it is from it."""
    for number, language in enumerate(wanted):
        if language == ORIGINAL:
            if _is_original(track, tracks):
                return number, 0
        elif (apart := distance(language, track.language)) is not None:
            return number, apart
    return len(wanted), 0


def _is_original(track: Track, tracks: Sequence[Track]) -> bool:
    """Marked as such, or the ones that are not dubbed where others are."""
    if any(one.original for one in tracks):
        return track.original
    return not track.dubbed and any(one.dubbed for one in tracks)


def _fits(track: Track, spoken: str) -> bool:
    """Whether forced subtitles go with the sound; they do if either language is not known."""
    return not spoken or not track.language or distance(spoken, track.language) is not None


def _apart(spoken: str, track: Track) -> int:
    apart = distance(spoken, track.language)
    return _FAR if apart is None else apart
