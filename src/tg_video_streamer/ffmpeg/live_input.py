"""The command lines of a live feed: one child receives it and copies its packets, another reads them from a pipe.

The address reaches the receiving child as an ffconcat script on its stdin, because it may hold a stream key or a
passphrase, and every user of the host can read a command line.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tg_video_streamer.errors import ToolMissing
from tg_video_streamer.ffmpeg.binary import wheel_ffmpeg
from tg_video_streamer.ffmpeg.inputs import FILE_FORMATS, quoted
from tg_video_streamer.ffmpeg.runner import run

_PROTOCOLS = {
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "rtsp": "rtsp,rtp,tcp,udp",
    "srt": "srt",
    "udp": "udp",
}
_FORMATS = {
    "rtmp": ("flv", "live_flv"),
    "rtmps": ("flv", "live_flv"),
    "rtsp": ("rtsp", "rtp", "sdp", "mpegts"),
    "srt": FILE_FORMATS,
    "udp": FILE_FORMATS,
}
_NUT_SCHEMES = frozenset({"rtsp"})
"""Cameras send sound that MPEG-TS cannot carry."""
_ASK_SECONDS = 20.0
_LONGEST_STEP_SECONDS = 10
"""Between two packets of a stream; a longer one is a clock that was set."""
_STEP = "0.04/TB"

_known: dict[Path, frozenset[str]] = {}
"""The protocols of each ffmpeg that was asked; a program does not change while the service runs."""


def receiver_command(ffmpeg: Path, url: str) -> list[str]:
    """Receive the feed of `receiver_script`, which goes to stdin, and write its packets to stdout."""
    scheme = urlsplit(url).scheme
    copied = "nut" if scheme in _NUT_SCHEMES else "mpegts"
    return [
        *(str(ffmpeg), "-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning"),
        *("-protocol_whitelist", f"pipe,{_PROTOCOLS[scheme]}"),
        *("-format_whitelist", ",".join(("concat", *_FORMATS[scheme]))),
        *("-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", "pipe:0"),
        *("-map", "0:v?", "-map", "0:a?", "-c", "copy"),
        *(("-bsf:v", _without_jumps(), "-bsf:a", _without_jumps()) if copied == "nut" else ()),
        *("-f", copied, "-muxdelay", "0", "-muxpreload", "0", "-flush_packets", "1", "pipe:1"),
    ]


def _without_jumps() -> str:
    """The bitstream filter that lets a stream go on where its clock was set, by an hour or by years.

    ffmpeg follows jumps in MPEG-TS, and not in NUT: it would show the last picture for all of the time that was left out.
    """
    offset = f"if(gt(abs(DTS-PREV_INDTS),{_LONGEST_STEP_SECONDS}/TB),PREV_OUTDTS+{_STEP}-DTS,PREV_OUTDTS-PREV_INDTS)"
    known = "if(eq(N,0)+eq(DTS,NOPTS)+eq(PREV_INDTS,NOPTS)+eq(PREV_OUTDTS,NOPTS),0,"
    return f"setts=pts='PTS+{known}{offset})':dts='DTS+{known}{offset})'"


def receiver_script(url: str, *, stall_seconds: float) -> bytes:
    """The ffconcat script of a live feed. `stall_seconds`: a silent connection is dropped after so long."""
    scheme = urlsplit(url).scheme
    microseconds = str(round(stall_seconds * 1_000_000))
    options = {
        "protocol_whitelist": _PROTOCOLS[scheme],
        "format_whitelist": ",".join(_FORMATS[scheme]),
        # By default ffmpeg reads 5 s of a feed to find late streams.
        "analyzeduration": "2000000",
    }
    if scheme == "rtsp":
        options |= {"rtsp_transport": "tcp", "timeout": microseconds}
    elif scheme != "udp":
        options |= {"rw_timeout": microseconds}
    if scheme in {"rtmp", "rtmps"}:
        options["rtmp_live"] = "live"
    lines = ["ffconcat version 1.0", f"file {quoted(url)}"]
    lines += [f"option {name} {quoted(value)}" for name, value in options.items()]
    return ("\n".join(lines) + "\n").encode()


def received_input(container: str) -> list[str]:
    """Input options and `-i` for the received packets on stdin; `container`: ffmpeg's name of their demuxer."""
    return [
        *("-protocol_whitelist", "pipe", "-format_whitelist", ",".join(FILE_FORMATS)),
        *("-f", container, "-analyzeduration", "2000000", "-i", "pipe:0"),
    ]


async def receiving_ffmpeg(preferred: Path, url: str) -> Path:
    """The ffmpeg that can receive `url`: `preferred`, else the wheel's. Raises ToolMissing where none can."""
    scheme = urlsplit(url).scheme
    for program in (preferred, wheel_ffmpeg()):
        if program not in _known:
            _known[program] = await _protocols(program)
        # RTSP is a demuxer, which every build has that has TCP.
        if ("tcp" if scheme == "rtsp" else scheme) in _known[program]:
            return program
    raise ToolMissing.of("tool.live", scheme=scheme)


async def _protocols(ffmpeg: Path) -> frozenset[str]:
    """The protocols that a build of ffmpeg can read."""
    done = await run([ffmpeg, "-hide_banner", "-protocols"], timeout_seconds=_ASK_SECONDS)
    listed = done.stdout.decode("utf-8", "replace")
    return frozenset(listed.partition("Input:")[2].partition("Output:")[0].split())
