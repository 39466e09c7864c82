"""The language of a request: from the address, the cookie or the browser."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.translator import ENGLISH, LANGUAGES, Translator

COOKIE = "lang"
COOKIE_SECONDS = 365 * 86_400


def language_of(request: Request) -> Language:
    """The one in the address, else the one chosen before, else the first that the browser accepts, else English."""
    for code in (request.query_params.get("lang", ""), request.cookies.get(COOKIE, "")):
        if code in LANGUAGES:
            return LANGUAGES[code]
    return _accepted(request.headers.get("accept-language", ""))


def words_of(request: Request) -> Translator:
    """The texts in the request's language."""
    return Translator(language=language_of(request))


def plain_answer(request: Request, key: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The text of `key` as a line, in the request's language."""
    text = words_of(request).text(key)
    return PlainTextResponse(f"{text}\n", status_code=status, headers=dict(headers or {}))


def _accepted(header: str) -> Language:
    """The best language of an Accept-Language header (RFC 9110, 12.5.4); a malformed weight counts as 0."""
    accepted = []
    for position, choice in enumerate(header[:500].split(",")):
        name, _, quality = choice.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        code = name.partition("-")[0].lower()
        if code in LANGUAGES and weight > 0:
            accepted.append((-weight, position, code))
    return LANGUAGES[min(accepted)[2]] if accepted else ENGLISH
