"""yt-dlp's options, and YTDLP_ARGS by an allow list; pure.

A deny list cannot work: `--exec`, `--config-locations`, `--netrc-cmd`, `--plugin-dirs` and `-o` run or write anything,
and later versions add more.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.media import FrameRate
from tg_video_streamer.resolve.format_language import choose_formats

_NUMBER = r"\d{1,4}(?:\.\d{1,3})?"
_WITH_VALUE: dict[str, str] = {
    "--extractor-args": r"[\w:;=,.+/-]{1,2000}",
    "--add-headers": r"(?i:accept|accept-language|origin|referer|user-agent):[^\r\n]{1,500}",
    "--referer": r"https?://\S{1,500}",
    "--user-agent": r"[^\r\n]{1,500}",
    "--impersonate": r"[\w.:-]{0,60}",
    "--socket-timeout": _NUMBER,
    "--source-address": r"[0-9A-Fa-f.:]{2,45}",
    "--extractor-retries": r"\d{1,2}",
    "--sleep-requests": _NUMBER,
    "--xff": r"[\w./:]{1,50}",
    "--format-sort": r"[\w:~+,.]{1,200}",
    "--playlist-items": r"[\d:,-]{1,100}",
    "--match-filters": r"[^\r\n]{1,300}",
    "--age-limit": r"\d{1,3}",
    "--video-password": r"[^\r\n]{1,100}",
    "--username": r"[^\r\n]{1,100}",
    "--password": r"[^\r\n]{1,100}",
}
_WITHOUT_VALUE = frozenset(
    {"--force-ipv4", "--force-ipv6", "--legacy-server-connect", "--format-sort-force", "--playlist-reverse"}
)
_ALIASES = {"-4": "--force-ipv4", "-6": "--force-ipv6", "-S": "--format-sort", "-I": "--playlist-items"}
_NO_FFMPEG = "/nonexistent/ffmpeg"
_DIRECT = "[protocol~='^(https?|m3u8|m3u8_native)$']"
"""What ffmpeg can open by URL; only yt-dlp can assemble the fragments of DASH and the like."""
_DOWNLOADED = (
    "[protocol!~='^(mhtml|ftp|rtmp|rtsp|mms|http_dash_segments_generator|websocket|niconico|fc2|youtube_live_chat)']"
)
"""What yt-dlp downloads by itself over HTTP from what JSON can hold; mhtml is a slide show."""


def _choice(allowed: str) -> str:
    """Separate picture and sound, else one format with both, else any."""
    return f"bv*{allowed}+ba{allowed}/b{allowed}/bv*{allowed}/ba{allowed}"


def formats(languages: Sequence[str] = (), *, live: bool = False) -> str:
    """The selector for an item that ends, which can be downloaded, or for a live one, which is read as it comes.

    `languages`: of its sound, in order.
    """
    allowed = _DIRECT if live else _DOWNLOADED
    return choose_formats(_choice(allowed), allowed, languages)


def parse_ytdlp_args(text: str) -> tuple[str, ...]:
    """YTDLP_ARGS as words for yt-dlp. Raises ConfigError with a line for each word that is not allowed."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError([f"YTDLP_ARGS: {error}; close the quotation"]) from None
    accepted: list[str] = []
    problems: list[str] = []
    while words:
        name, separator, value = words.pop(0).partition("=")
        name = _ALIASES.get(name, name)
        if name in _WITHOUT_VALUE and not separator:
            accepted.append(name)
        elif name in _WITH_VALUE:
            value = value if separator else (words.pop(0) if words else "")
            if re.fullmatch(_WITH_VALUE[name], value):
                accepted.append(f"{name}={value}")
            else:
                problems.append(f"YTDLP_ARGS: the value of {name} is missing or not allowed; correct or remove it")
        else:
            shown = name if name.startswith("-") else "a word that is not an option"
            problems.append(f"YTDLP_ARGS: {shown} is not allowed; known are {', '.join(sorted(_known()))}")
    if problems:
        raise ConfigError(problems)
    return tuple(accepted)


def shared_words(
    *,
    arguments: Sequence[str] = (),
    plugins: Sequence[str] = ("--no-plugin-dirs",),
    cache_folder: Path | None = None,
    deno: str | None = None,
) -> tuple[str, ...]:
    """The options of every use of yt-dlp; they may be secret, so they go to the child on stdin.

    `arguments` (from `parse_ytdlp_args`) override the defaults, and what follows them cannot be overridden. `plugins`
    come from `plugin_words`.
    """
    words = ["--socket-timeout=15", *arguments]
    words += ["--ignore-config", *plugins, "--no-remote-components", "--quiet", "--color=never"]
    # It would hand over to ffmpeg what it cannot read, with the address on the command line and without our limits.
    words += [f"--ffmpeg-location={_NO_FFMPEG}"]
    words += [f"--cache-dir={cache_folder}"] if cache_folder else ["--no-cache-dir"]
    words += [f"--js-runtimes=deno:{deno}"] if deno else []
    return tuple(words)


def resolve_words(
    *, maximum_height: int, frame_rate: FrameRate, most_children: int, proxy: str = "", shared: Sequence[str] = ()
) -> tuple[str, ...]:
    """The options of a question; `shared` from `shared_words`.

    The house's frame rate is preferred, the original before a dubbed sound, and H.264 to VP9 and AV1: decoding them is cheaper.
    """
    return (
        f"--format-sort=res:{maximum_height},fps~{frame_rate},lang,vcodec:h264,acodec:aac",
        f"--playlist-items=:{most_children}",
        f"--proxy={proxy}",
        *shared,
        *("--flat-playlist", "--no-download"),
    )


def _known() -> set[str]:
    return {*_WITH_VALUE, *_WITHOUT_VALUE}
