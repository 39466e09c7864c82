"""Chooses yt-dlp's formats by the language of their sound: a selector for each wanted language, then the usual one; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tg_video_streamer.languages import ORIGINAL, language_codes

_ORDINARY = "[format_note!~=?'(?i)descri|comment']"
"""Neither a description for the blind nor a commentary."""
_ORIGINAL = ("[format_note~='(?i)original']", "[format_note!~=?'(?i)dub']")
"""Sites that dub mark one of the two; without a mark of the first kind everything that is not dubbed is original."""


def choose_formats(usual: str, allowed: str, languages: Sequence[str]) -> str:
    """The selector that tries `languages` in order before `usual`; `allowed`: the filter of every format."""
    filters = [*(one for language in languages for one in _filters(language)), ""]
    alternatives = [f"bv*{allowed}+ba{allowed}{one}{_ORDINARY}/b{allowed}{one}{_ORDINARY}" for one in filters]
    return "/".join((*alternatives, usual))


def _filters(language: str) -> tuple[str, ...]:
    if language == ORIGINAL:
        return _ORIGINAL
    return (f"[language~='(?i)^({'|'.join(language_codes(language))})([-_]|$)']",)
