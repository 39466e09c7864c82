"""Makes clips with subtitles of every kind, and reads from the pictures when subtitles are seen on their gray ground."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stands.multilingual import Voice, make_voices
from stands.recording import luma_of

SECONDS = 6.0
CUES = ((1.0, 2.0), (4.0, 5.0))
"""When there are words on the picture."""
_TEXTS = ("Привет, мир", "Second line")
_VOICE = Voice(hertz=400, language="eng", flags="default")


def srt(texts: tuple[str, str] = _TEXTS) -> str:
    """The cues as SubRip."""
    return "\n".join(
        f"{number}\n{_stamp(since)} --> {_stamp(until)}\n{text}\n"
        for number, ((since, until), text) in enumerate(zip(CUES, texts, strict=True), start=1)
    )


def vtt() -> str:
    """The cues as WebVTT."""
    return "WEBVTT\n\n" + srt().replace(",0", ".0")


def ass(font: str = "Roboto Black") -> str:
    """The cues as ASS, in yellow at the top of the picture."""
    style = (
        f"Style: Default,{font},40,&H0000FFFF,&H000000FF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,0,8,10,10,10,1"
    )
    lines = [
        f"Dialogue: 0,0:00:0{since:.2f},0:00:0{until:.2f},Default,,0,0,0,,{text}"
        for (since, until), text in zip(CUES, _TEXTS, strict=True)
    ]
    styles = (
        "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    )
    styles += "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding"
    events = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
    head = f"[Script Info]\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 360\n\n[V4+ Styles]\nFormat: {styles}\n{style}\n\n"
    return f"{head}[Events]\nFormat: {events}\n" + "\n".join(lines) + "\n"


def make_subtitled(path: Path, codec: str, text: str, *, font: Path | None = None, size: str = "320x180") -> Path:
    """A clip of `SECONDS` with one subtitle stream in Russian; `font`: attached to it."""
    source = path.with_suffix({"ass": ".src.ass", "webvtt": ".src.vtt"}.get(codec, ".src.srt"))
    source.write_text(text, encoding="utf-8")
    attached = ["-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font"] if font else []
    make_voices(
        path,
        [_VOICE],
        seconds=SECONDS,
        size=size,
        inputs=["-i", str(source)],
        extra=["-map", "2:s", "-c:s", codec, "-metadata:s:s", "language=rus", *attached],
    )
    source.unlink()
    return path


def make_plain(path: Path) -> Path:
    """The clip without subtitles."""
    return make_voices(path, [_VOICE], seconds=SECONDS)


def make_bitmaps(path: Path, codec: str) -> Path:
    """A clip with the cues as white bars low in a canvas of 1920x1080, by PGS (`copy`) or DVB bitmaps (`dvbsub`)."""
    source = path.with_suffix(".src.sup")
    source.write_bytes(b"".join(_shown(since, until) for since, until in CUES))
    make_voices(
        path,
        [_VOICE],
        seconds=SECONDS,
        # Each input is made to start at 0.
        inputs=["-itsoffset", str(CUES[0][0]), "-fix_sub_duration", "-i", str(source)],
        extra=["-map", "2:s", "-c:s", codec, "-metadata:s:s", "language=rus"],
    )
    source.unlink()
    return path


_CANVAS = (1920, 1080)
BAR = (660, 900, 600, 90)
"""Left, top, width and height of the bar on its canvas."""
_COMPOSITION, _WINDOWS, _PALETTE, _OBJECT, _END = 0x16, 0x17, 0x14, 0x15, 0x80


def _shown(since: float, until: float) -> bytes:
    """One bar from `since` to `until` as a Presentation Graphic Stream (US patent 2009/0185789)."""
    left, top, width, height = BAR
    line = b"\x00" + struct.pack(">H", 0xC000 | width) + b"\x01" + b"\x00\x00"
    data = line * height
    window = struct.pack(">BBHHHH", 1, 0, left, top, width, height)
    head = struct.pack(">HHB", *_CANVAS, 0x10)
    on = [
        (_COMPOSITION, head + struct.pack(">HBBBB", 0, 0x80, 0, 0, 1) + struct.pack(">HBBHH", 0, 0, 0, left, top)),
        (_WINDOWS, window),
        (_PALETTE, bytes((0, 0, 1, 235, 128, 128, 255))),
        (
            _OBJECT,
            struct.pack(">HBB", 0, 0, 0xC0)
            + (len(data) + 4).to_bytes(3, "big")
            + struct.pack(">HH", width, height)
            + data,
        ),
        (_END, b""),
    ]
    off = [(_COMPOSITION, head + struct.pack(">HBBBB", 1, 0, 0, 0, 0)), (_WINDOWS, window), (_END, b"")]
    return _segments(on, since) + _segments(off, until)


def _segments(segments: list[tuple[int, bytes]], seconds: float) -> bytes:
    stamp = round(seconds * 90000)
    return b"".join(b"PG" + struct.pack(">IIBH", stamp, 0, kind, len(payload)) + payload for kind, payload in segments)


def _stamp(seconds: float) -> str:
    return f"00:00:{seconds:06.3f}".replace(".", ",")


def pictures(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    """Time and luma of each picture."""
    found: list[tuple[float, NDArray[np.uint8]]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            picture: Any = frame
            found.append((float(picture.time), luma_of(picture).copy()))
    return found


def written(luma: NDArray[np.uint8]) -> bool:
    """Whether there is something bright on the gray ground."""
    return bool((luma > 200).sum() > 50)


def spans(path: Path) -> list[tuple[float, float]]:
    """When something is written, to a frame."""
    seen: list[tuple[float, float]] = []
    before = False
    for seconds, luma in pictures(path):
        now = written(luma)
        if now and not before:
            seen.append((seconds, seconds))
        if now:
            seen[-1] = (seen[-1][0], seconds + 0.04)
        before = now
    return seen
