"""Classifies yt-dlp's errors: source gone, source not available now, or yt-dlp broken; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tg_video_streamer.errors import ResolveError, SourceGone
from tg_video_streamer.locales.message import Message

_TRAILERS = re.compile(
    r"(?:;? please report this issue on|\(caused by|Confirm you are on the latest|See  ?https?://).*", re.DOTALL
)
_URL = re.compile(r"\bhttps?://[^\s'\")]+")
_LONGEST = 300
_NOT_NOW = re.compile(
    r"timed out|HTTP Error (?:5\d\d|429|403|401)|connection|resolve|network is unreachable|not a bot|rate.?limit"
    r"|try again|redirect loop|premieres? in|will begin in|is offline|not currently live|starting soon|certificate",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"private|removed|deleted|terminated|unavailable|not available|no longer|copyright|unsupported url|drm"
    r"|HTTP Error (?:404|410|451)|does not exist|not exist|not found|no video|members.?only|join this channel"
    r"|confirm your age|age.?restricted|not a valid url|login|log in|sign in|blocked|no media|empty playlist",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"timed out|no answer within|connection|resolve|network is unreachable|certificate|proxy|HTTP Error (?:5\d\d|429)"
    r"|private|premieres? in|will begin in|is offline|not currently live|starting soon|unsupported url",
    re.IGNORECASE,
)
_COOKIES = re.compile(r"not a bot|sign in|log ?in|cookies|members.?only|confirm your age|private", re.IGNORECASE)


def failure(described: Mapping[str, Any]) -> ResolveError:
    """The error that yt-dlp's child has described."""
    sentence = _short(str(described.get("message") or "no reason given"))
    gone = _GONE.search(sentence) and not _NOT_NOW.search(sentence)
    remedy = "ytdlp.needs_cookies" if _COOKIES.search(sentence) else "ytdlp.gone" if gone else "ytdlp.retried"
    kind = SourceGone if gone else ResolveError
    return kind(f"yt-dlp: {sentence}", remedy=Message.of(remedy))


def may_be_outdated(error: ResolveError) -> bool:
    """Whether a newer yt-dlp may fix it: not if the network or the video's owner is the cause."""
    return not _NETWORK.search(error.what)


def _short(text: str) -> str:
    text = _URL.sub("(URL)", _TRAILERS.sub("", text)).strip(" ;.")
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
