"""Chooses yt-dlp's formats by the language of their sound: a selector for each wanted language, then the usual one; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tg_video_streamer.languages import ORIGINAL, language_codes, language_tag

_ORDINARY = "[format_note!~=?'(?i)descri|comment']"
"""Neither a description for the blind nor a commentary."""
_ORIGINAL = ("[format_note~='(?i)original']", "[format_note!~=?'(?i)dub']")
"""Sites that dub mark one of the two; without a mark of the first kind everything that is not dubbed is original."""


def choose_formats(usual: str, allowed: str, languages: Sequence[str]) -> str:
    """The selector that tries `languages` in order before `usual`; `allowed`: the filter of every format."""
    filters = [*(one for language in languages for one in _filters(language)), ""]
    alternatives = [f"bv*{allowed}+ba{allowed}{one}{_ORDINARY}/b{allowed}{one}{_ORDINARY}" for one in filters]
    return "/".join((*alternatives, usual))


def chosen_language(info: Mapping[str, Any]) -> str:
    """The language of the sound in yt-dlp's answer; empty if the site does not say."""
    formats = info.get("requested_formats") or [info]
    language = formats[-1].get("language")
    return language_tag(language) if isinstance(language, str) else ""


def _filters(language: str) -> tuple[str, ...]:
    if language == ORIGINAL:
        return _ORIGINAL
    return (f"[language~='(?i)^({'|'.join(language_codes(language))})([-_]|$)']",)
