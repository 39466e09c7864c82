"""The child process that asks yt-dlp where a web item is: `python -I ytdlp_child.py`.

It reads one request as JSON from stdin, so that nothing secret is on its command line, and prints one JSON document:
`{"info": …, "cookies": …, "warnings": […]}`, or `{"error": …, "warnings": […]}`. It runs isolated and by its path, with an
interpreter that may hold nothing but yt-dlp: it imports the standard library and yt-dlp only.

Request: `words` (options of yt-dlp's command line), `cookies` (text in Netscape format), `url`, the format selectors
`format` and `live_format`, and `subtitles` (patterns of languages). A download (`Download.request`) has `words`, `cookies` and `info`; `open_ytdlp` serves both.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

try:
    from yt_dlp import YoutubeDL, parse_options, version
    from yt_dlp.cookies import CookieLoadError
    from yt_dlp.globals import plugin_dirs
    from yt_dlp.networking import Request
except ImportError as error:
    sys.stdout.write(json.dumps({"missing": error.name == "yt_dlp", "detail": f"{type(error).__name__}: {error}"}))
    sys.exit(0)

_NO_COOKIES = "# Netscape HTTP Cookie File\n"
_MOST_WARNINGS = 8
_SUBTITLE_SUFFIXES = ("vtt", "srt", "ass")
_MOST_SUBTITLE_BYTES = 5_000_000
_OF_AN_ENTRY = ("_type", "url", "webpage_url", "title", "live_status")
_OF_A_PLAIN_FORMAT = ("url", "manifest_url", "protocol", "tbr", "height", "vcodec", "acodec")
_NOT_READ = frozenset(
    {
        *("formats", "requested_formats", "requested_downloads", "requested_subtitles", "entries"),
        *("thumbnails", "thumbnail", "subtitles", "automatic_captions", "comments", "chapters", "heatmap", "tags"),
        *("categories", "description", "cast", "storyboards", "_format_sort_fields", "_version"),
    }
)
_IDENTITY = (
    *("id", "title", "fulltitle", "extractor", "extractor_key", "webpage_url", "original_url"),
    *("duration", "is_live", "live_status"),
)


class Log:
    """Stores yt-dlp's warnings; its other messages are not for us."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """Called by yt-dlp for what it would print."""

    info = debug

    def warning(self, message: str) -> None:
        """Called by yt-dlp; the first few say most."""
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(message)

    def error(self, message: str) -> None:
        """Called by yt-dlp before it raises; `Ytdlp.failure` has the error itself."""


class Ytdlp(YoutubeDL):  # type: ignore[misc]  # yt-dlp is imported without its types
    """yt-dlp that stores its last error as an object, and chooses formats by whether the item is live."""

    failure: BaseException | str | None = None
    """The last error, as yt-dlp raised it."""
    formats_wanted = ""
    live_formats_wanted = ""

    def trouble(self, message: str | None = None, tb: str | None = None, is_error: bool = True) -> None:  # noqa: FBT001, FBT002 - yt-dlp's signature
        """Called by yt-dlp for each error, while it handles the exception."""
        if is_error:
            self.failure = sys.exc_info()[1] or message
        super().trouble(message, tb, is_error)

    def process_video_result(self, info_dict: dict[str, Any], download: bool = True) -> Any:  # noqa: FBT001, FBT002 - yt-dlp's signature
        """Called by yt-dlp for each video, before it chooses the formats."""
        live = info_dict.get("is_live") or info_dict.get("live_status") == "is_live"
        if wanted := self.live_formats_wanted if live else self.formats_wanted:
            self.format_selector = self.build_format_selector(wanted)
        return super().process_video_result(info_dict, download)


def open_ytdlp(request: Mapping[str, Any], log: Log) -> tuple[Ytdlp, io.StringIO]:
    """A yt-dlp with the request's options and cookies, and the stream that it writes its cookies to."""
    parsed = parse_options(list(request["words"]))
    plugin_dirs.value = parsed.options.plugin_dirs
    cookies = io.StringIO(request.get("cookies") or _NO_COOKIES)
    ytdlp = Ytdlp({**parsed.ydl_opts, "cookiefile": cookies, "logger": log})
    ytdlp.formats_wanted = request.get("format", "")
    ytdlp.live_formats_wanted = request.get("live_format", "")
    return ytdlp, cookies


def cookies_text(ytdlp: Ytdlp, cookies: io.StringIO) -> str:
    """All cookies that it has now, with those that sites have set, in Netscape format."""
    cookies.seek(0)
    ytdlp.save_cookies()
    return cookies.getvalue()


def described(error: BaseException | str | None) -> dict[str, Any]:
    """An error of yt-dlp as facts: its classes, whether yt-dlp expects it, its cause, the HTTP status, its words."""
    if not isinstance(error, BaseException):
        return {"class": "", "kinds": [], "message": error or ""}
    chain = _chain(error)
    outer = next((one for one in chain if hasattr(one, "orig_msg")), error)
    statuses = (getattr(one, "status", None) for one in chain)
    return {
        "class": type(outer).__name__,
        "kinds": [kind.__name__ for kind in type(outer).__mro__],
        "expected": getattr(outer, "expected", None),
        "cause": type(chain[-1]).__name__ if chain[-1] is not outer else "",
        "causes": [kind.__name__ for one in chain if one is not outer for kind in type(one).__mro__],
        "status": next((status for status in statuses if isinstance(status, int)), None),
        "message": getattr(outer, "orig_msg", None) or getattr(outer, "msg", None) or str(outer),
        "extractor": getattr(outer, "ie", None) or "",
    }


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what has caused it, outermost first."""
    chain: list[BaseException] = []
    following: Any = error
    while isinstance(following, BaseException) and following not in chain:
        chain.append(following)
        raised = getattr(following, "exc_info", None) or (None, None)
        following = getattr(following, "cause", None) or raised[1] or following.__cause__
    return chain


def reduced(info: dict[str, Any]) -> dict[str, Any]:
    """What we read of yt-dlp's answer: a list with its entries, or one item with its chosen formats."""
    if "entries" in info:
        entries = [entry and {name: entry.get(name) for name in _OF_AN_ENTRY} for entry in info["entries"] or []]
        return {"_type": info.get("_type"), "title": info.get("title"), "entries": entries}
    found = {name: value for name, value in info.items() if name not in _NOT_READ and not name.startswith("__")}
    if info.get("requested_formats"):
        identity = {name: info.get(name) for name in _IDENTITY}
        found = {**identity, "requested_formats": [{**identity, **one} for one in info["requested_formats"]]}
    if info.get("extractor") == "generic":
        # A plain M3U of many items looks like an HLS manifest of many qualities.
        given = info.get("formats") or []
        found["formats"] = [{name: one.get(name) for name in _OF_A_PLAIN_FORMAT} for one in given]
    return found


def downloaded_subtitles(ytdlp: Ytdlp, info: dict[str, Any], patterns: list[str]) -> dict[str, Any] | None:
    """The first subtitles of the item, not of its automatic captions, whose language matches; None if there are none."""
    given = info.get("subtitles") or {}
    for pattern in patterns:
        for language in (one for one in given if re.match(pattern, one, re.IGNORECASE)):
            files = [one for one in given[language] if one.get("ext") in _SUBTITLE_SUFFIXES]
            for one in sorted(files, key=lambda one: _SUBTITLE_SUFFIXES.index(one["ext"])):
                if (text := _subtitle_text(ytdlp, one)) is not None:
                    return {"language": language, "ext": one["ext"], "text": text}
    return None


def _subtitle_text(ytdlp: Ytdlp, one: dict[str, Any]) -> str | None:
    if isinstance(one.get("data"), str):
        return str(one["data"])
    if not one.get("url") or one.get("protocol", "https") not in {"http", "https"}:
        return None
    try:
        with ytdlp.urlopen(Request(one["url"], headers=one.get("http_headers") or {})) as response:
            return str(response.read(_MOST_SUBTITLE_BYTES).decode("utf-8", "replace"))
    except Exception as error:  # noqa: BLE001 - the item plays without them, whatever broke
        ytdlp.report_warning(f"subtitles not downloaded: {error}")
        return None


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The document for a request."""
    log = Log()
    if "url" not in request:
        return {"version": version.__version__}
    try:
        ytdlp, cookies = open_ytdlp(request, log)
        with ytdlp:
            info = ytdlp.extract_info(request["url"], download=False)
            if info is None:
                return {"error": described(ytdlp.failure), "warnings": log.warnings}
            subtitles = downloaded_subtitles(ytdlp, info, request.get("subtitles") or [])
            info = ytdlp.sanitize_info(reduced(info))
            cookies_now = cookies_text(ytdlp, cookies)
            return {"info": info, "cookies": cookies_now, "subtitles": subtitles, "warnings": log.warnings}
    except CookieLoadError:
        return {**answer({**request, "cookies": ""}), "cookies_refused": True}
    except Exception as error:  # noqa: BLE001 - whatever breaks in yt-dlp or an extractor is the answer
        return {"error": described(error), "warnings": log.warnings}


def main() -> int:
    """Request on stdin, document on stdout; 0 in either case: an error of yt-dlp is an answer too."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    json.dump(answer(json.load(sys.stdin)), stdout)
    stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
