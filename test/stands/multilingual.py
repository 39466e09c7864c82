"""Makes clips with several languages of sound, each with a tone of its own, and finds the tone that is heard."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stands.numbered import any_ffmpeg

RATE = 48000


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """One audio track: its tone, and what the container says about it."""

    hertz: int
    language: str = ""
    title: str = ""
    flags: str = "0"
    """Disposition, such as `default` or `comment+dub`."""


def make_voices(
    path: Path,
    voices: Sequence[Voice],
    *,
    seconds: float = 2.0,
    size: str = "320x180",
    inputs: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> Path:
    """A clip of a plain gray picture and these tracks; `inputs` follow the tones on the command line, `extra` the maps."""
    words = ["-f", "lavfi", "-i", f"color=0x808080:s={size}:r=25:d={seconds}"]
    for voice in voices:
        words += ["-f", "lavfi", "-i", f"sine=frequency={voice.hertz}:sample_rate={RATE}:duration={seconds}"]
    words += [*inputs, "-map", "0:v"]
    for number, voice in enumerate(voices):
        words += ["-map", f"{number + 1}:a"]
        words += [f"-metadata:s:a:{number}", f"language={voice.language}"] if voice.language else []
        words += [f"-metadata:s:a:{number}", f"title={voice.title}"] if voice.title else []
        words += [f"-disposition:a:{number}", voice.flags]
    words += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac"]
    run_ffmpeg(*words, *extra, str(path))
    return path


def run_ffmpeg(*words: str) -> None:
    """Run the first ffmpeg of this host; raises where it fails."""
    subprocess.run([any_ffmpeg(), "-nostdin", "-loglevel", "error", "-y", *words], check=True, timeout=120)


def heard_hertz(samples: NDArray[np.float32]) -> int:
    """The loudest tone in the middle of the sound, to 10 Hz."""
    mono = samples.mean(axis=0)
    middle = mono[len(mono) // 2 - RATE // 4 : len(mono) // 2 + RATE // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return round(float(spectrum.argmax()) * RATE / len(middle) / 10) * 10
