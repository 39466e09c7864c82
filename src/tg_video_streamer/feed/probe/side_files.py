"""Reads what subtitle files next to a media file are: language, flags, charset; only the probe's child process imports it."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from tg_video_streamer.ffmpeg.tracks import Track, TrackKind, described
from tg_video_streamer.languages import TrackPreference, language_named, language_tag

_CODECS = {".srt": "subrip", ".ass": "ass", ".ssa": "ass", ".vtt": "webvtt"}
_MOST_BYTES = 20_000_000
_CYRILLIC = frozenset({"ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "tg", "mn"})
_CYRILLIC_CHARSETS = ["cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic"]
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_MARKS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FORCED, _HEARING = frozenset({"forced", "foreign"}), frozenset({"sdh", "cc", "hi"})


def side_tracks(media: str, files: list[str], preference: TrackPreference) -> list[Track]:
    """The subtitles in `files`, which lie next to `media`; what cannot be read is left out."""
    tracks = []
    for number, name in enumerate(files):
        path = Path(name)
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_BYTES)
        except OSError:
            continue
        words = re.split(r"[.\s_\[\]()]+", path.stem.removeprefix(Path(media).stem))
        tracks.append(_track(number, path, [word for word in words if word], content, preference))
    return tracks


def _track(number: int, path: Path, words: list[str], content: bytes, preference: TrackPreference) -> Track:
    lower = {word.lower() for word in words}
    tags = [tag for word in words if (tag := _language(word))]
    language = tags[0] if tags else ""
    return described(
        Track(
            kind=TrackKind.SUBTITLES,
            input_index=0,
            stream_index=number,
            codec=_CODECS.get(path.suffix.lower(), "subrip"),
            language=language,
            title=" ".join(word for word in words if not _language(word)),
            forced=not lower.isdisjoint(_FORCED),
            hearing_impaired=not lower.isdisjoint(_HEARING),
            file=str(path),
            encoding=charset(content, (language, *preference.subtitles)),
        )
    )


def _language(word: str) -> str:
    """The language that a word of a file name states; `hi` and `cc` are flags there."""
    return "" if word.lower() in _FORCED | _HEARING else language_tag(word) or language_named(word)


def charset(content: bytes, languages: tuple[str, ...]) -> str:
    """The name of the charset of a text in one of `languages`."""
    for mark, name in (*_MARKS, *_MARKS_16):
        if content.startswith(mark):
            return name
    try:
        content.decode("utf-8")
    except ValueError:
        pass
    else:
        return "utf-8"
    import charset_normalizer  # noqa: PLC0415 - most files are in UTF-8

    known = next(filter(None, languages), "").partition("-")[0]
    hints = [_CYRILLIC_CHARSETS] if known in _CYRILLIC else []
    for among in (*hints, None):
        found = charset_normalizer.from_bytes(content, cp_isolation=among).best()
        if found is not None:
            return found.encoding
    return "cp1251" if known in _CYRILLIC else "cp1252"
