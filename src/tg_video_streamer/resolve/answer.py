"""Converts yt-dlp's JSON, which is untrusted, to Media or Expansion; pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import PlaylistError, ResolveError, SourceGone, ToolBehind
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.line import check_url
from tg_video_streamer.resolve.failure import Failure
from tg_video_streamer.resolve.media import Download, Expansion, Fetcher, Media, MediaInput

_NAMES = frozenset({"expire", "expires", "expiry", "exp", "x-expires", "token_expires", "validto"})
_IN_PATH = re.compile(r"/(?:expire|expires|exp)[/=](\d{10,13})(?=/|$)")
_IN_VALUE = re.compile(r"(?:^|[~&;])exp(?:ires)?=(\d{10,13})(?=[~&;]|$)")
"""Akamai's token: hdnts=st=…~exp=1700000000~acl=…"""

Json = Mapping[str, Any]

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_COOKIE_ATTRIBUTES = frozenset(
    {"domain", "path", "expires", "max-age", "secure", "httponly", "samesite", "version", "port"}
)
_LARGEST_REQUEST = 1 << 30
_SUFFIX = re.compile(r"[a-z0-9]{1,8}")
_DIRECT = frozenset({"http", "https", "m3u8", "m3u8_native"})
"""What ffmpeg reads by its URL."""
_ANONYMOUS = frozenset({"generic", "html5"})
"""Extractors whose ids are mere file names: clip.mp4 of two sites must not count as the same source."""
_NOT_LISTED = frozenset({"[Private video]", "[Deleted video]"})


def read_answer(
    answer: Any, item: Item, *, most_children: int, download: Mapping[str, Any] | None = None
) -> Media | Expansion:
    """Where `item` is, or its children; a list is cut after `most_children`.

    `download`: what a download needs besides the format. Raises ResolveError if ffmpeg may not get the answer, SourceGone if it is empty.
    """
    if not isinstance(answer, Mapping):
        raise ResolveError.of("ytdlp.no_answer")
    kind = _text(answer.get("_type"))
    if kind in {"playlist", "multi_video"} or "entries" in answer:
        return _expansion(answer, item, most_children)
    if kind in {"url", "url_transparent"}:
        return Expansion(children=_children([answer], item), title=_text(answer.get("title")))
    if listed := _listed_urls(answer):
        children = _children([{"url": url} for url in listed[:most_children]], item)
        return Expansion(children=children, title=_text(answer.get("title")))
    return _media(answer, item, download or {})


def addresses(answer: Json) -> list[str]:
    """Every URL that reading or downloading the answer's formats begins with."""
    found: list[Any] = []
    for one in answer.get("requested_formats") or [answer]:
        found += [one.get(name) for name in ("url", "manifest_url", "fragment_base_url")]
        fragments = one.get("fragments")
        if isinstance(fragments, list):
            found += [fragment.get("url") for fragment in fragments if isinstance(fragment, Mapping)]
    return [url for url in found if isinstance(url, str)]


def _media(answer: Json, item: Item, download: Json) -> Media:
    if answer.get("live_status") == "is_upcoming":
        error = ResolveError.of("source.not_started")
        error.reason = str(Failure.NOT_STARTED)
        raise error
    chosen = answer.get("requested_formats") or [answer]
    if not isinstance(chosen, list) or not all(isinstance(one, Mapping) for one in chosen):
        raise ToolBehind.of("ytdlp.no_formats")
    live = answer.get("is_live") is True
    inputs = tuple(
        _input(one, separate=len(chosen) > 1, index=index, download=None if live else download)
        for index, one in enumerate(chosen[:2])
    )
    expiries = [expiry for url in addresses(answer) if (expiry := expires_wall(url)) is not None]
    return Media(
        inputs=inputs,
        title=item.title or _text(answer.get("fulltitle")) or _text(answer.get("title")),
        source_id=_source_id(answer, item),
        duration_seconds=_duration(answer.get("duration")),
        is_live=live,
        expires_wall=min(expiries, default=None),
    )


def _input(chosen: Json, *, separate: bool, index: int, download: Json | None) -> MediaInput:
    """One chosen format; `download` is None if it is live, and then ffmpeg has to read it."""
    url, protocol = chosen.get("url"), _text(chosen.get("protocol", "https"))
    direct = protocol in _DIRECT
    if not isinstance(url, str) or not (direct or (download is not None and protocol)):
        raise ToolBehind.of("ytdlp.format")
    _require_http(url)
    # Of two separate formats the first gives the picture and the second the sound, even if they hold more.
    has_video = index == 0 if separate else chosen.get("vcodec") != "none"
    has_audio = index == 1 if separate else chosen.get("acodec") != "none"
    if not has_video and not has_audio:
        raise SourceGone.of("source.no_media")
    return MediaInput(
        location=url if direct else "",
        is_file=False,
        headers=_headers(chosen),
        has_video=has_video,
        has_audio=has_audio,
        request_bytes=_request_bytes(chosen) if protocol in {"http", "https"} else 0,
        download=None if download is None else _download(chosen, download),
    )


def _request_bytes(chosen: Json) -> int:
    options = chosen.get("downloader_options")
    size = options.get("http_chunk_size") if isinstance(options, Mapping) else None
    return size if isinstance(size, int) and 0 < size <= _LARGEST_REQUEST else 0


def _download(chosen: Json, needed: Json) -> Download:
    suffix, size = _text(chosen.get("ext")), chosen.get("filesize")
    exact = isinstance(size, int) and not isinstance(size, bool) and size > 0
    return Download(
        fetcher=Fetcher.YTDLP,
        request=json.dumps({**needed, "info": {name: value for name, value in chosen.items() if name != "formats"}}),
        suffix=suffix if _SUFFIX.fullmatch(suffix) else "bin",
        size_bytes=size if exact else None,
    )


def _require_http(url: str) -> None:
    try:
        check_url(url)
    except PlaylistError:
        raise ResolveError.of("ytdlp.scheme") from None


def _headers(chosen: Json) -> dict[str, str]:
    given = chosen.get("http_headers") or {}
    headers = dict(given) if isinstance(given, Mapping) else {}
    if cookie := _cookie_header(chosen.get("cookies")):
        headers["Cookie"] = cookie
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or not isinstance(value, str):
            raise ToolBehind.of("ytdlp.header")
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise ToolBehind.of("ytdlp.header_control", name=name)
    return headers


def _cookie_header(cookies: Any) -> str:
    """The name=value pairs of `a=b; Domain=x; Path=/; c=d; …`, which yt-dlp has selected for the URL."""
    if not isinstance(cookies, str):
        return ""
    pairs = (piece.strip() for piece in cookies.split(";"))
    return "; ".join(p for p in pairs if "=" in p and p.partition("=")[0].strip().lower() not in _COOKIE_ATTRIBUTES)


def _source_id(answer: Json, item: Item) -> str:
    extractor, identity = _text(answer.get("extractor")).lower(), _text(answer.get("id"))
    if not extractor or not identity or extractor in _ANONYMOUS:
        digest = hashlib.blake2b(f"{item.locator}\n{identity}".encode("utf-8", "surrogatepass"), digest_size=8)
        return f"{extractor or 'url'} {digest.hexdigest()}"
    return f"{extractor} {identity}"


def _expansion(answer: Json, item: Item, most_children: int) -> Expansion:
    entries = answer.get("entries")
    if not isinstance(entries, list):
        raise ToolBehind.of("ytdlp.no_entries")
    return Expansion(children=_children(entries[:most_children], item), title=item.title or _text(answer.get("title")))


def _children(entries: list[Any], item: Item) -> tuple[Item, ...]:
    """Entries that have an http(s) address, with the options of the list; others are left out."""
    children: list[Item] = []
    for entry in entries:
        if (
            not isinstance(entry, Mapping)
            or _text(entry.get("title")) in _NOT_LISTED
            or entry.get("live_status") == "is_upcoming"
        ):
            continue
        # `webpage_url` is the page of an entry that yt-dlp has resolved already; several videos on the requested page
        # itself have only their media URLs.
        page, url = entry.get("webpage_url"), entry.get("url")
        locator = page if isinstance(page, str) and page != item.locator else url
        try:
            check_url(locator if isinstance(locator, str) else "")
        except PlaylistError:
            continue
        children.append(item.child(LocatorKind.URL, str(locator), title=_text(entry.get("title"))))
    return tuple(children)


def _listed_urls(answer: Json) -> list[str]:
    """The items of a plain M3U on the web, which yt-dlp reads as an HLS manifest without stream tags."""
    formats = answer.get("formats")
    if answer.get("extractor") != "generic" or not isinstance(formats, list) or not formats:
        return []
    plain = all(
        isinstance(one, Mapping)
        and isinstance(one.get("url"), str)
        and one.get("manifest_url")
        and _text(one.get("protocol")) in {"m3u8", "m3u8_native"}
        and one.get("tbr") is None
        and one.get("height") is None
        and one.get("vcodec") is None
        and one.get("acodec") is None
        for one in formats
    )
    return [one["url"] for one in formats] if plain else []


def _duration(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        return None
    return float(value)


def _text(value: Any) -> str:
    return DisplayText(value if isinstance(value, str) else "")


def expires_wall(url: str) -> float | None:
    """Seconds since 1970 at which `url` expires; None if it does not state that.

    Reads `expire=`, `Expires=` and variants (also in the path), Akamai's `exp=` within a token, and the
    pairs `X-Amz-Date`/`X-Amz-Expires` and `X-Goog-Date`/`X-Goog-Expires` of signed storage links.
    """
    parts = urlsplit(url)
    query = [(name.lower(), value) for name, value in parse_qsl(parts.query)]
    found = [_seconds(value) for name, value in query if name in _NAMES]
    found += [_seconds(match[1]) for _, value in query for match in _IN_VALUE.finditer(value)]
    found += [_seconds(match[1]) for match in _IN_PATH.finditer(parts.path)]
    given = dict(query)
    found += [_signed_at_plus(given, f"x-{vendor}-date", f"x-{vendor}-expires") for vendor in ("amz", "goog")]
    return min((seconds for seconds in found if seconds is not None), default=None)


def _seconds(text: str) -> float | None:
    """A time since 1970 in seconds or milliseconds; None for a duration or anything else."""
    if not text.isascii() or not text.isdigit() or not 10 <= len(text) <= 13:
        return None
    number = int(text)
    return number / 1000 if number > 100_000_000_000 else float(number)


def _signed_at_plus(query: dict[str, str], date: str, lifetime: str) -> float | None:
    lives = query.get(lifetime, "")
    if not lives.isascii() or not lives.isdigit() or len(lives) > 9:
        return None
    try:
        signed = datetime.strptime(query.get(date, ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return signed.timestamp() + int(lives)
