"""The programs that the channel is made with: ffmpeg and how fast it encodes, yt-dlp and its age, its JavaScript runtime."""

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path

from tg_video_streamer.doctor.check import encoder_problems
from tg_video_streamer.doctor.finding import Finding, doubt, problem, well
from tg_video_streamer.errors import ChildFailed, StreamerError
from tg_video_streamer.ffmpeg.arguments import parse_ffmpeg_args
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat, house_format
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.ffmpeg.validate import trial_command
from tg_video_streamer.resolve.resolver import ytdlp_version
from tg_video_streamer.settings.settings import Settings

COMFORTABLE_SPEED = 1.5
"""An encoder that is no faster than this catches up with nothing after a source has stalled."""
OLD_DAYS = 60
"""Sites change within weeks, and yt-dlp follows them with about a version a month."""
_TRIAL_SECONDS = 60.0
_VERSION_SECONDS = 15.0
_UPDATE = f"run: {sys.executable} -m pip install --upgrade 'yt-dlp[default]'"


async def check_ffmpeg(settings: Settings) -> list[Finding]:
    """Which ffmpeg, whether FFMPEG_ARGS work, and how fast one second of picture is encoded."""
    try:
        ffmpeg = find_ffmpeg()
        version = await _first_line([str(ffmpeg), "-version"])
    except StreamerError as error:
        return [problem("ffmpeg", error.what, error.remedy)]
    found = [well("ffmpeg", f"{_version_word(version)} at {ffmpeg}")]
    wrong = await encoder_problems(settings)
    found += [problem("encoder", text) for text in wrong]
    arguments = () if wrong else parse_ffmpeg_args(settings.ffmpeg_args)
    house = house_format(
        settings.video_quality, loudness_lufs=settings.loudness_lufs, encoder_arguments=tuple(arguments)
    )
    found.append(await _encoder_speed(house, ffmpeg))
    return found


async def _encoder_speed(house: HouseFormat, ffmpeg: Path) -> Finding:
    command = trial_command(house.encoder_arguments, house, ffmpeg)
    speed = 0.0
    # The first run also reads the program from the disk.
    for _ in range(2):
        began = time.monotonic()
        try:
            done = await run(command, timeout_seconds=_TRIAL_SECONDS)
        except ChildFailed as error:
            return problem("encoder", error.what, "choose a smaller VIDEO_QUALITY")
        if done.returncode != 0:
            last = done.stderr_tail.splitlines()[-1:] or ["without a word"]
            return problem("encoder", f"ffmpeg ended with code {done.returncode}: {last[0]}", "run: make setup")
        speed = max(speed, 1.0 / max(time.monotonic() - began, 0.001))
        if speed >= COMFORTABLE_SPEED:
            break
    return speed_finding(speed, house.quality)


def speed_finding(speed: float, quality: str) -> Finding:
    """What an encoder that is `speed` times as fast as real time means for the channel."""
    text = f"encodes {quality} {speed:.1f} times as fast as it is shown"
    remedy = "choose a smaller VIDEO_QUALITY or FFMPEG_ARGS=-preset ultrafast, or end what else keeps this host busy"
    if speed < 1.0:
        return problem("encoder", text, remedy)
    return doubt("encoder", text, remedy) if speed < COMFORTABLE_SPEED else well("encoder", text)


async def check_ytdlp(settings: Settings) -> list[Finding]:
    """Which yt-dlp, and whether it is too old for the sites that it reads."""
    try:
        version = await ytdlp_version()
    except StreamerError as error:
        return [problem("yt-dlp", error.what, error.remedy)]
    return [ytdlp_finding(version, settings.ytdlp_pin, datetime.now(UTC).date())]


def ytdlp_finding(version: str, pin: str, today: date) -> Finding:
    """What yt-dlp of `version`, which is its date, means `today`."""
    if pin and _numbers(version)[:3] != _numbers(pin)[:3]:
        return doubt(
            "yt-dlp",
            f"version {version} is installed, YTDLP_PIN is {pin}",
            f"run: {sys.executable} -m pip install 'yt-dlp[default]=={pin}', or empty YTDLP_PIN",
        )
    numbers = _numbers(version)
    try:
        days = (today - date(*numbers[:3])).days
    except (TypeError, ValueError):
        return doubt("yt-dlp", f"version {version} has no date", _UPDATE)
    text = f"version {version} is {max(0, days)} days old"
    if days > OLD_DAYS and not pin:
        return doubt("yt-dlp", f"{text}; sites may have changed since", _UPDATE)
    return well("yt-dlp", text)


async def check_javascript(_settings: Settings) -> list[Finding]:
    """Whether yt-dlp has the JavaScript runtime that YouTube needs."""
    about, remedy = "JavaScript", "run: make setup (it installs the deno wheel), or YouTube may not play"
    try:
        deno = str(import_module("deno").find_deno_bin())
        version = await _first_line([deno, "--version"])
    except (ImportError, OSError, StreamerError) as error:
        return [problem(about, f"no runtime for yt-dlp: {error}", remedy)]
    if not os.access(deno, os.X_OK) or not version:
        return [problem(about, "the runtime for yt-dlp does not run", remedy)]
    return [well(about, version)]


async def _first_line(command: list[str]) -> str:
    """The first line that `command` prints; empty where it fails. Raises ChildFailed, ToolMissing."""
    done = await run(command, timeout_seconds=_VERSION_SECONDS)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return lines[0] if done.returncode == 0 and lines else ""


def _version_word(line: str) -> str:
    found = re.match(r"ffmpeg version (\S+)", line)
    return f"version {found[1]}" if found else "of unknown version"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
