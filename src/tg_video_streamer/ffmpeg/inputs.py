"""The input options of a decoding command line: files directly, URLs through a script on a descriptor.

Every user of the host can read a command line, and URLs may be signed: they reach ffmpeg as an ffconcat script of one
file on an inherited pipe, with their headers as options. Protocols and demuxers are both limited: a list that pretends
to be a video could otherwise open other files.
"""

from __future__ import annotations

from collections.abc import Mapping

from tg_video_streamer.ffmpeg.source import ReadAhead

FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    *(
        "mpegts",
        "mpeg",
        "mpegvideo",
        "avi",
        "flv",
        "live_flv",
        "asf",
        "ogg",
        "rm",
        "mxf",
        "gxf",
        "nut",
        "wtv",
        "dv",
        "ivf",
    ),
    *("h264", "hevc", "m4v", "obu", "av1", "vc1", "h263", "yuv4mpegpipe", "amv", "swf", "nsv", "gif", "apng"),
    *("mp3", "aac", "flac", "wav", "w64", "rf64", "aiff", "au", "ac3", "eac3", "dts", "dtshd", "truehd", "mlp", "caf"),
    *("ape", "wv", "tta", "tak", "mpc", "mpc8", "amr", "amrnb", "amrwb", "voc", "oma", "latm", "loas", "spx", "shn"),
    *("image2", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "gif_pipe", "jpegxl_pipe", "webp_anim"),
    *("webp", "avif", "svg_pipe", "jpegls_pipe", "j2k_pipe"),
)
"""Demuxers that read one stream of bytes and open nothing else."""
URL_FORMATS = (*FILE_FORMATS, "hls", "hls,applehttp", "applehttp")
PIECES_OPTION = "request_size"
"""Of ffmpeg's http protocol, from 8.1 on."""
URL_PROTOCOLS = "http,https,tls,tcp,crypto,httpproxy"

FIRST_BYTE_SECONDS = 30.0
"""A server may take so long to begin an answer: what plays meanwhile covers it. A silence amid an answer has less time."""
_ENDLESS_SECONDS = 360000
"""The concat demuxer seeks only within the duration in its script; with one file it need not be true."""
_SEEK_EARLY_SECONDS = 0.002
"""Container times are rounded to milliseconds: a seek must not skip the frame that it aims at."""
_OWN_OPTIONS = {"user-agent": "user_agent", "referer": "referer"}
_NOT_NEEDED = frozenset(
    {"accept", "accept-language", "accept-encoding", "accept-charset", "connection", "host", "range", "icy-metadata"}
)
_MOST_IMPORTANT = ("cookie", "authorization", "origin", "x-forwarded-for")


def file_input(
    path: str,
    *,
    seek_seconds: float = 0.0,
    still_format: str = "",
    read_ahead: ReadAhead | None = None,
    is_manifest: bool = False,
) -> list[str]:
    """Input options and `-i` for a local file, which cannot open other protocols or files.

    `still_format`: the demuxer of a photo, else empty. Without it ffmpeg reads `%d` in a file name as a pattern.
    `read_ahead`: how far it is read for its streams. `is_manifest`: it names files and URLs that may be opened.
    """
    protocols, formats = _limits(is_manifest=is_manifest)
    ahead = (
        []
        if read_ahead is None
        else [word for name, value in read_ahead.options.items() for word in (f"-{name}", value)]
    )
    image = ["-f", still_format] if still_format else []
    if still_format == "image2":
        image += ["-pattern_type", "none"]
    return [
        *("-protocol_whitelist", protocols, "-format_whitelist", formats),
        *image,
        *ahead,
        *_seek(seek_seconds),
        *("-i", f"file:{path}"),
    ]


def growing_input(descriptor: int, *, seek_seconds: float = 0.0) -> list[str]:
    """Input options and `-i` for the bytes of a local file that come through the inherited pipe `descriptor`."""
    return [
        *("-protocol_whitelist", "pipe", "-format_whitelist", ",".join(FILE_FORMATS)),
        *_seek(seek_seconds),
        *("-i", f"pipe:{descriptor}"),
    ]


def live_input() -> list[str]:
    """Input options and `-i` for live FLV on stdin, read ahead as little as possible."""
    return [
        *("-protocol_whitelist", "pipe", "-format_whitelist", "flv", "-f", "flv"),
        *("-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0"),
        # Frame threads would delay as many pictures as there are processors.
        *("-thread_type", "slice"),
        *("-i", "pipe:0"),
    ]


def script_input(descriptor: int, *, seek_seconds: float = 0.0, passthrough: bool = False) -> list[str]:
    """Input options and `-i` for a script of `url_script` in the inherited pipe `descriptor`.

    `passthrough`: packets stay unchanged; else H.264 gets its parameter sets into each keyframe.
    """
    return [
        *("-protocol_whitelist", f"pipe,{URL_PROTOCOLS}", "-format_whitelist", ",".join(("concat", *URL_FORMATS))),
        *("-f", "concat", "-safe", "0", *(("-auto_convert", "0") if passthrough else ())),
        *_seek(seek_seconds),
        *("-i", f"pipe:{descriptor}"),
    ]


def url_script(
    url: str,
    headers: Mapping[str, str],
    *,
    silent_seconds: float = FIRST_BYTE_SECONDS,
    read_ahead: ReadAhead | None = None,
    request_bytes: int = 0,
    states_length: bool | None = None,
) -> bytes:
    """The ffconcat script that opens one URL. `silent_seconds`: a silent connection is dropped after so long.

    `read_ahead`: how far it is read for its streams. `request_bytes`: how much is asked for at a time, only for an ffmpeg of
    `piecewise_ffmpeg`; 0 for all at once. Where `states_length` is False ffmpeg would take the end of the body for a lost
    connection, and begin it again for ever.

    Raises ValueError for a line break in the URL or a header, and for any scheme but http and https.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("only http and https URLs can be opened")
    options = {
        "protocol_whitelist": URL_PROTOCOLS,
        "format_whitelist": ",".join(URL_FORMATS),
        "rw_timeout": str(round(silent_seconds * 1_000_000)),
        "reconnect": "0" if states_length is False else "1",
        "reconnect_streamed": "0" if states_length is False else "1",
        "reconnect_on_network_error": "1",
        # Waiting for a site that refuses is useless: the next attempt gets a fresh URL.
        "reconnect_delay_max": "1",
        **({} if read_ahead is None else read_ahead.options),
        **_pieces(request_bytes),
        **_header_options(headers),
    }
    lines = ["ffconcat version 1.0", f"file {quoted(url)}"]
    lines += [f"option {name} {quoted(value)}" for name, value in options.items()]
    lines.append(f"duration {_ENDLESS_SECONDS}")
    return ("\n".join(lines) + "\n").encode()


def manifest_script(url: str) -> bytes:
    """An HLS master playlist of one variant, which opens an HLS stream without the concat demuxer.

    Through the concat demuxer ffmpeg does not follow timestamp jumps, which live streams have often. Headers and
    connection options cannot be set: see `plain_manifest`. Raises ValueError as `url_script` does.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("only http and https URLs can be opened")
    if any(ord(letter) < 33 for letter in url):
        raise ValueError("a control character in the URL")
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{url}\n".encode()


def manifest_input(descriptor: int, *, seek_seconds: float = 0.0) -> list[str]:
    """Input options and `-i` for a script of `manifest_script`."""
    return [
        *("-protocol_whitelist", f"pipe,{URL_PROTOCOLS}", "-format_whitelist", ",".join(URL_FORMATS), "-f", "hls"),
        # By default ffmpeg reads 5 s of MPEG-TS to find late streams, which a paused live stream does not have.
        *("-analyzeduration", "1000000"),
        *_seek(seek_seconds),
        *("-i", f"pipe:{descriptor}"),
    ]


def stream_list(url: str) -> bytes:
    """A list of one URL for the concatf protocol, which opens an MPEG-TS without the concat demuxer.

    Through that ffmpeg does not follow timestamp jumps. As for `manifest_script`, nothing else can be set.
    """
    if not url.lower().startswith(("http://", "https://")) or any(ord(letter) < 33 for letter in url):
        raise ValueError("only http and https URLs can be opened")
    return f"{url}\n".encode()


def stream_input(descriptor: int, *, seek_seconds: float = 0.0, read_ahead: ReadAhead | None = None) -> list[str]:
    """Input options and `-i` for a list of `stream_list`."""
    ahead = {} if read_ahead is None else read_ahead.options
    return [
        *("-protocol_whitelist", f"pipe,concatf,{URL_PROTOCOLS}", "-format_whitelist", "mpegts", "-f", "mpegts"),
        *(word for name, value in ahead.items() for word in (f"-{name}", value)),
        *_seek(seek_seconds),
        *("-i", f"concatf:pipe:{descriptor}"),
    ]


def plain_stream(container: str, headers: Mapping[str, str], *, states_length: bool | None) -> bool:
    """Whether a source is an MPEG-TS of a known length that needs no headers: then `stream_list` opens it."""
    return container == "mpegts" and states_length is True and plain_manifest("hls", headers)


def plain_manifest(container: str, headers: Mapping[str, str]) -> bool:
    """Whether a source is HLS that needs no headers: then `manifest_script` opens it, else `url_script`."""
    return container == "hls" and not _extra_headers(headers) and not any(name.lower() == "referer" for name in headers)


def _limits(*, is_manifest: bool) -> tuple[str, str]:
    """The protocols and demuxers of a local file."""
    if is_manifest:
        return f"file,{URL_PROTOCOLS}", ",".join(URL_FORMATS)
    return "file", ",".join(FILE_FORMATS)


def library_options(
    *,
    is_file: bool,
    headers: Mapping[str, str],
    is_manifest: bool = False,
    request_bytes: int = 0,
) -> dict[str, str]:
    """The same limits as options of PyAV, which opens the location in a separate process."""
    if is_file:
        protocols, formats = _limits(is_manifest=is_manifest)
        return {"protocol_whitelist": protocols, "format_whitelist": formats, "pattern_type": "none"}
    named = {_OWN_OPTIONS[name.lower()]: value for name, value in headers.items() if name.lower() in _OWN_OPTIONS}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() not in _OWN_OPTIONS]
    return {
        "protocol_whitelist": URL_PROTOCOLS,
        "format_whitelist": ",".join(URL_FORMATS),
        "rw_timeout": str(round(FIRST_BYTE_SECONDS * 1_000_000)),
        **_pieces(request_bytes),
        **named,
        **({"headers": "".join(lines)} if lines else {}),
    }


def proxy_environment(proxy: str) -> dict[str, str]:
    """The environment that makes ffmpeg open http and https URLs through `proxy`, which may be empty.

    Not on the command line, since it may hold a password. `http_proxy` serves both schemes (libavformat/http.c, tls.c).
    """
    return {"http_proxy": proxy} if proxy and takes_proxy(proxy) else {}


def takes_proxy(proxy: str) -> bool:
    """Whether ffmpeg can use a proxy: it supports plain HTTP proxies only."""
    return proxy.startswith("http://")


def dropped_headers(headers: Mapping[str, str]) -> list[str]:
    """Names of the headers that a script cannot carry: it holds user agent, referer and one more."""
    return _extra_headers(headers)[1:]


def _pieces(request_bytes: int) -> dict[str, str]:
    return {PIECES_OPTION: str(request_bytes)} if request_bytes else {}


def _header_options(headers: Mapping[str, str]) -> dict[str, str]:
    options = {_OWN_OPTIONS[name.lower()]: value for name, value in headers.items() if name.lower() in _OWN_OPTIONS}
    for name in _extra_headers(headers)[:1]:
        options["headers"] = f"{name}: {headers[name]}"
    return options


def _extra_headers(headers: Mapping[str, str]) -> list[str]:
    """Names of the relevant headers that have no option of their own, the most important first."""

    def rank(name: str) -> int:
        return _MOST_IMPORTANT.index(name.lower()) if name.lower() in _MOST_IMPORTANT else len(_MOST_IMPORTANT)

    names = [
        name
        for name in headers
        if name.lower() not in _OWN_OPTIONS and name.lower() not in _NOT_NEEDED and not name.lower().startswith("sec-")
    ]
    return sorted(names, key=rank)


def _seek(seconds: float) -> list[str]:
    return ["-ss", f"{max(0.0, seconds - _SEEK_EARLY_SECONDS):.6f}"] if seconds > 0 else []


def quoted(value: str) -> str:
    """Quoting of ffmpeg's av_get_token (ffmpeg-utils, "Quoting and escaping")."""
    if any(ord(letter) < 32 for letter in value):
        raise ValueError("a control character in a URL or header")
    return "'" + value.replace("'", "'\\''") + "'"
