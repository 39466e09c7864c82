"""The programs that the channel is made with: ffmpeg and how fast it encodes, yt-dlp and its age, its JavaScript runtime."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from urllib.request import urlopen

from tg_video_streamer.doctor.check import encoder_problems
from tg_video_streamer.doctor.finding import Finding, Verdict, doubt, failure, finding, problem, well
from tg_video_streamer.errors import ChildFailed, StreamerError
from tg_video_streamer.ffmpeg.arguments import parse_ffmpeg_args
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat, VideoSize
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.ffmpeg.validate import trial_command
from tg_video_streamer.locales.message import Message
from tg_video_streamer.resolve.plugins import Plugin, missing_plugins, plugin_folder
from tg_video_streamer.resolve.ytdlp import ytdlp_version
from tg_video_streamer.settings.settings import Settings

COMFORTABLE_SPEED = 1.5
"""An encoder that is no faster than this catches up with nothing after a source has stalled."""
OLD_DAYS = 60
"""Sites change within weeks, and yt-dlp follows them with about a version a month."""
_TRIAL_SECONDS = 60.0
_VERSION_SECONDS = 15.0
_PROVIDER_SECONDS = 5.0
_INSTALL_DENO = "doctor.install_deno"
_UPDATE = f"{sys.executable} -m pip install --upgrade 'yt-dlp[default]'"


async def check_ffmpeg(settings: Settings) -> list[Finding]:
    """Which ffmpeg, whether FFMPEG_ARGS work, and how fast one second of picture is encoded."""
    try:
        ffmpeg = find_ffmpeg()
        version = await _first_line([str(ffmpeg), "-version"])
    except StreamerError as error:
        return [failure("ffmpeg", error)]
    found = [well("ffmpeg", "doctor.ffmpeg", version=_version_word(version), path=str(ffmpeg))]
    wrong = await encoder_problems(settings)
    found += [problem("encoder", text) for text in wrong]
    arguments = () if wrong else parse_ffmpeg_args(settings.ffmpeg_args)
    house = settings.house_format(encoder_arguments=tuple(arguments))
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
            return problem("encoder", "doctor.encoder_failed", detail=error.message)
        if done.returncode != 0:
            last = "".join(done.stderr_tail.splitlines()[-1:])
            return problem("encoder", "doctor.encoder_ended", code=done.returncode, detail=last)
        speed = max(speed, 1.0 / max(time.monotonic() - began, 0.001))
        if speed >= COMFORTABLE_SPEED:
            break
    return speed_finding(speed, str(VideoSize(width=house.width, height=house.height)))


def speed_finding(speed: float, quality: str) -> Finding:
    """What an encoder that is `speed` times as fast as real time means for the channel."""
    slow = Verdict.PROBLEM if speed < 1.0 else Verdict.WARNING
    verdict = slow if speed < COMFORTABLE_SPEED else Verdict.OK
    return finding(verdict, "encoder", "doctor.speed", quality=quality, speed=speed)


async def check_ytdlp(settings: Settings) -> list[Finding]:
    """Which yt-dlp, and whether it is too old for the sites that it reads."""
    try:
        version = await ytdlp_version()
    except StreamerError as error:
        return [failure("yt-dlp", error)]
    return [ytdlp_finding(version, settings.ytdlp_pin, datetime.now(UTC).date())]


def ytdlp_finding(version: str, pin: str, today: date) -> Finding:
    """What yt-dlp of `version`, which is its date, means `today`."""
    if pin and _numbers(version)[:3] != _numbers(pin)[:3]:
        command = f"{sys.executable} -m pip install 'yt-dlp[default]=={pin}'"
        return doubt("yt-dlp", "doctor.other_than_pin", version=version, pin=pin, command=command)
    numbers = _numbers(version)
    try:
        days = (today - date(*numbers[:3])).days
    except (TypeError, ValueError):
        return doubt("yt-dlp", "doctor.no_date", "run_command", version=version, command=_UPDATE)
    if days > OLD_DAYS and not pin:
        return doubt("yt-dlp", "doctor.old", "run_command", version=version, days=days, command=_UPDATE)
    return well("yt-dlp", "doctor.age", version=version, days=max(0, days))


async def check_javascript(_settings: Settings) -> list[Finding]:
    """Whether yt-dlp has the JavaScript runtime that YouTube needs."""
    try:
        deno = str(import_module("deno").find_deno_bin())
        version = await _first_line([deno, "--version"])
    except (ImportError, OSError, StreamerError) as error:
        return [problem("JavaScript", "doctor.no_runtime", _INSTALL_DENO, detail=str(error))]
    if not os.access(deno, os.X_OK) or not version:
        return [problem("JavaScript", "doctor.dead_runtime", _INSTALL_DENO)]
    return [well("JavaScript", Message.raw(version))]


async def check_plugins(settings: Settings, environment: Path = Path(sys.prefix)) -> list[Finding]:
    """Whether the plugins that YTDLP_PLUGINS names are installed, and whether the provider of PO tokens answers."""
    missing = missing_plugins(settings.ytdlp_plugins, environment)
    found = [problem("yt-dlp", "doctor.plugin_missing", plugin=str(plugin)) for plugin in missing]
    if url := settings.ytdlp_pot_url:
        found.append(await asyncio.to_thread(_provider_finding, url, settings.ytdlp_plugins, environment))
    return found


def _provider_finding(url: str, plugins: Sequence[Plugin], environment: Path) -> Finding:
    """What the provider at `url` says of itself; the plugin needs one of its own major version."""
    try:
        with urlopen(f"{url.rstrip('/')}/ping", timeout=_PROVIDER_SECONDS) as answer:  # noqa: S310 - the settings allow http(s) only
            version = str(json.loads(answer.read(65536))["version"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        return problem("yt-dlp", "doctor.provider_silent", url=url, detail=str(error))
    if Plugin.BGUTIL not in plugins:
        return doubt("yt-dlp", "doctor.provider_unused", url=url)
    names = [path.name.split("-")[1] for path in plugin_folder(Plugin.BGUTIL, environment).glob("*-*.whl")]
    if names and _numbers(names[-1])[:1] != _numbers(version)[:1]:
        return problem("yt-dlp", "doctor.provider_other", version=version, plugin=names[-1])
    return well("yt-dlp", "doctor.provider", url=url, version=version)


async def _first_line(command: list[str]) -> str:
    """The first line that `command` prints; empty where it fails. Raises ChildFailed, ToolMissing."""
    done = await run(command, timeout_seconds=_VERSION_SECONDS)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return lines[0] if done.returncode == 0 and lines else ""


def _version_word(line: str) -> str | Message:
    found = re.match(r"ffmpeg version (\S+)", line)
    return found[1] if found else Message.of("unknown")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
