"""What an error of yt-dlp means: the source is gone, it is not available now, or yt-dlp is behind the site; pure.

The class of the error, whether yt-dlp expects it, its cause and the HTTP status decide first; words only where yt-dlp says
it in words alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from tg_video_streamer.display_text import one_line
from tg_video_streamer.errors import ResolveError, SourceGone, ToolBehind
from tg_video_streamer.locales.message import Message


class Meaning(StrEnum):
    """What follows from a failure."""

    GONE = "gone"
    """The source says that it will not come back: its cached encode is withheld."""
    NOT_NOW = "not_now"
    """It may play later; the cached encode plays on."""
    TOOL_BEHIND = "tool_behind"
    """Only another yt-dlp reads it; the cached encode plays on, and an update is requested."""


class Failure(StrEnum):
    """Why yt-dlp gives no media; the label of the error in metrics and status."""

    REMOVED = "source_gone"
    NEEDS_ACCOUNT = "needs_account"
    NOT_A_BOT = "not_a_bot"
    GEO_BLOCKED = "geo_blocked"
    RATE_LIMITED = "rate_limited"
    NOT_STARTED = "not_started"
    SITE_REFUSES = "site_refuses"
    LOGIN_FAILED = "login_failed"
    PROXY_FAILED = "proxy_failed"
    SITE_FAILED = "resolve_error"
    OUTDATED = "tool_behind"
    UNSUPPORTED = "unsupported"
    NEEDS_PO_TOKEN = "needs_po_token"  # noqa: S105 - a label
    NO_JAVASCRIPT = "no_javascript"
    NO_IMPERSONATION = "no_impersonation"


MEANINGS = {
    Failure.REMOVED: Meaning.GONE,
    Failure.NEEDS_ACCOUNT: Meaning.GONE,
    Failure.NOT_A_BOT: Meaning.NOT_NOW,
    Failure.GEO_BLOCKED: Meaning.NOT_NOW,
    Failure.RATE_LIMITED: Meaning.NOT_NOW,
    Failure.NOT_STARTED: Meaning.NOT_NOW,
    Failure.SITE_REFUSES: Meaning.NOT_NOW,
    Failure.LOGIN_FAILED: Meaning.NOT_NOW,
    Failure.PROXY_FAILED: Meaning.NOT_NOW,
    Failure.SITE_FAILED: Meaning.NOT_NOW,
    Failure.OUTDATED: Meaning.TOOL_BEHIND,
    Failure.UNSUPPORTED: Meaning.TOOL_BEHIND,
    Failure.NEEDS_PO_TOKEN: Meaning.TOOL_BEHIND,
    Failure.NO_JAVASCRIPT: Meaning.TOOL_BEHIND,
    Failure.NO_IMPERSONATION: Meaning.NOT_NOW,
}
_ERRORS: dict[Meaning, type[ResolveError]] = {
    Meaning.GONE: SourceGone,
    Meaning.NOT_NOW: ResolveError,
    Meaning.TOOL_BEHIND: ToolBehind,
}
_UPDATE_MAY_HELP = frozenset({Failure.OUTDATED, Failure.NEEDS_PO_TOKEN, Failure.NOT_A_BOT, Failure.SITE_REFUSES})

LIMITED = frozenset({Failure.RATE_LIMITED, Failure.NOT_A_BOT})
"""The site is asked more slowly after these."""
REFUSED = LIMITED | {Failure.GEO_BLOCKED, Failure.SITE_REFUSES, Failure.PROXY_FAILED}
"""Another proxy may help."""
OF_A_DOWNLOAD = REFUSED | {Failure.NO_IMPERSONATION}
"""What a download itself can find out; else its link is what fails."""

_CLASSES = {
    "GeoRestrictedError": Failure.GEO_BLOCKED,
    "UserNotLive": Failure.NOT_STARTED,
    "UnsupportedError": Failure.UNSUPPORTED,
    "ProxyError": Failure.PROXY_FAILED,
}
_NETWORK = frozenset({"TransportError", "OSError", "HTTPException", "IncompleteRead"})
_STATUSES = {
    400: Failure.OUTDATED,
    401: Failure.SITE_REFUSES,
    402: Failure.NEEDS_ACCOUNT,
    403: Failure.SITE_REFUSES,
    404: Failure.REMOVED,
    405: Failure.OUTDATED,
    407: Failure.PROXY_FAILED,
    410: Failure.REMOVED,
    429: Failure.RATE_LIMITED,
    451: Failure.GEO_BLOCKED,
}
_WORDS = {
    Failure.NOT_A_BOT: (r"not a (?:ro)?bot", r"captcha", r"unusual traffic"),
    Failure.RATE_LIMITED: (r"rate.?limit", r"too many requests"),
    Failure.SITE_REFUSES: (
        r"\bIP (?:address )?(?:is|was|has)\b|anti-bot|fingerprint|impersonat",
        r"(?:rejected|blocked) by server|cookies .*needed|empty media response",
    ),
    Failure.GEO_BLOCKED: (
        r"\b(?:your|this|current|certain|some) (?:country|countries|location|region|area|territory)",
        r"geo.?(?:graphic|restrict|block)",
        r"available in (?:the )?[\w ]{2,40} only|available outside|only (?:available|licensed) (?:to users )?in\b",
        r"using proxy|a VPN|government",
    ),
    Failure.NOT_STARTED: (
        r"premieres?\b|upcoming|starting soon|waiting for|is scheduled",
        r"will (?:begin|start|be available)",
        r"(?:not|n.t) (?:yet )?(?:been )?(?:started|aired)",
        r"\boffline\b(?! because)|not (?:currently )?live|no active streams|private show",
        r"not (?:yet )?(?:been )?(?:available|released) yet|not yet (?:available|released|been)|not downloadable yet",
        r"available (?:after|shortly)|processing",
    ),
    Failure.LOGIN_FAILED: (
        r"unable to log.?in|login failed|(?:wrong|invalid|incorrect) (?:video )?(?:username|password|login)",
        r"password was incorrect|authorization lost|tokens? .*(?:expired|invalid|not valid)|expired token",
    ),
    Failure.OUTDATED: (
        r"no video formats|requested format|only images|formats are|suitable formats",
        r"unable to extract|could(?:n.t| not) (?:find|extract)|can ?not (?:find|extract|get|identify)",
        r"nsig|signature|challenge",
        r"on this app|latest version of|page needs to be reloaded",
        r"not found\. please install|phantomjs",
    ),
    Failure.SITE_FAILED: (
        r"temporar|try again|network error|server.?side|server error|timed out|currently unavailable",
    ),
    Failure.NEEDS_ACCOUNT: (
        r"members|subscri|premium|purchase|\bpaid\b|payment|\brent|vip\b|supporter|tickets?\b",
        r"use --(?:cookies|username)|log.?in\b|logged|sign.?in\b|signed in|your account|an account",
        r"cookies|password|registered users",
        r"authori[sz]|authenticat|granted access|approved|private video",
        r"confirm your age|age.?(?:restrict|verif|gate)|adult|nsfw",
    ),
    Failure.UNSUPPORTED: (r"not (?:currently |be )?supported|no longer supported|unsupported",),
    Failure.REMOVED: (
        r"removed|deleted|terminated|closed|suspended|banned|blocked|deactivated|violat|copyright|\bdrm\b|private",
        r"no longer|unavailable|not available|isn.t available|unplayable|exist\b|not found|no such",
        r"expired|ha(?:s|ve) (?:already )?ended|does not have",
        r"\bno (?:\w+ )?(?:videos?|media|audio|downloads?|track)\b|(?:not|n.t) a video",
        r"(?:not|n.t) (?:contain|have) (?:(?:a|any) )?(?:video|audio)|replay is disabled",
        r"not a valid url|invalid url|truncated",
    ),
}
"""The first that fits counts: what may pass comes before what is for good."""
_NO_IMPERSONATION = re.compile(
    r"impersonate target .*(?:not |un)available|none of these impersonate targets|no impersonate target"
    r"|impersonation dependency|requires browser impersonation",
    re.IGNORECASE,
)
_TRAILERS = re.compile(
    r"(?:;? please report this issue on|\(caused by|Confirm you are on the latest|See  ?https?://|Use --"
    r"|For more information|You might want to use a VPN|It is recommended to use `).*",
    re.DOTALL,
)
_HTTP = re.compile(r"HTTP Error \d+(?:: ?[\w -]*)?")
_URL = re.compile(r"\bhttps?://[^\s'\")]+")
_LONGEST = 300


def failure(document: Mapping[str, Any]) -> ResolveError:
    """The error of a child's document that has one: its class follows from the meaning, its reason is the failure."""
    facts = _facts(document)
    return _error(judge(facts, [str(one) for one in document.get("warnings") or ()]), facts)


def download_failure(document: Mapping[str, Any]) -> ResolveError:
    """The same for a download, which fails for now: what its link answers says nothing of the source."""
    facts = _facts(document)
    why = judge(facts)
    return _error(why if why in OF_A_DOWNLOAD else Failure.SITE_FAILED, facts)


def _facts(document: Mapping[str, Any]) -> Mapping[str, Any]:
    described = document.get("error")
    return described if isinstance(described, Mapping) else {}


def _error(why: Failure, facts: Mapping[str, Any]) -> ResolveError:
    said = short(str(facts.get("message") or "")) or "…"
    meaning = MEANINGS[why]
    error = _ERRORS[meaning](Message.of(f"meaning.{meaning}", said=said), remedy=Message.of(f"help.{why}"))
    error.reason = str(why)
    # A page may fail once in a site's bad minute; one that no extractor knows fails each time.
    error.permanent = error.permanent or why is Failure.UNSUPPORTED
    return error


def judge(facts: Mapping[str, Any], warnings: Iterable[str] = ()) -> Failure:
    """Why yt-dlp failed, from the facts of `ytdlp_child.described` and its warnings."""
    kinds, causes = _names(facts, "kinds"), _names(facts, "causes")
    for name, meant in _CLASSES.items():
        if name in kinds or name in causes:
            return meant
    message = _HTTP.sub("", str(facts.get("message") or ""))
    if _NO_IMPERSONATION.search(message):
        return Failure.NO_IMPERSONATION
    status = facts.get("status")
    if isinstance(status, int):
        return _of_status(status, message)
    if (kinds | causes) & _NETWORK:
        return Failure.SITE_FAILED
    if not facts.get("expected"):
        return _behind([message, *warnings])
    found = _by_words(message)
    return _behind([message, *warnings]) if found is Failure.OUTDATED else found or Failure.SITE_FAILED


def update_may_help(error: ResolveError) -> bool:
    """Whether a newer yt-dlp may read it: not if the network or the video's owner is the cause."""
    return error.reason in _UPDATE_MAY_HELP


def short(text: str) -> str:
    """Words of yt-dlp in one line, without addresses and advice for its own command line."""
    text = _URL.sub("(URL)", _TRAILERS.sub("", text)).strip(" ;.")
    text = one_line(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _of_status(status: int, message: str) -> Failure:
    """A site that answers with an error may say more in words."""
    if status >= 500 or status in {408, 425} or status < 400:
        return Failure.SITE_FAILED
    said = _by_words(message)
    if status in {404, 410} and said in {Failure.NEEDS_ACCOUNT, Failure.OUTDATED, Failure.SITE_FAILED}:
        said = None
    return said or _STATUSES.get(status, Failure.OUTDATED)


def _behind(said: list[str]) -> Failure:
    """Which part of yt-dlp is behind, from its error and its warnings."""
    text = "\n".join(said)
    if re.search(r"JavaScript runtime|JS runtime", text):
        return Failure.NO_JAVASCRIPT
    return Failure.NEEDS_PO_TOKEN if re.search(r"PO Token|SABR", text) else Failure.OUTDATED


def _by_words(message: str) -> Failure | None:
    matches = (meant for meant, words in _WORDS.items() if re.search("|".join(words), message, re.IGNORECASE))
    return next(matches, None)


def _names(facts: Mapping[str, Any], field: str) -> set[str]:
    given = facts.get(field)
    return {name for name in given if isinstance(name, str)} if isinstance(given, list) else set()
