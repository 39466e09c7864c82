"""The host: its ports, its disk, its clock, and the service that runs on it."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import socket
import tempfile
import time
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from tg_video_streamer.control.socket.client import ask
from tg_video_streamer.control.socket.protocol import status_from_json
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.control.status_text import StatusText, printable
from tg_video_streamer.doctor.finding import Finding, doubt, problem, well
from tg_video_streamer.errors import ListenFailed, NoService, StreamerError
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.ingest.address import parse_ingest
from tg_video_streamer.ingest.listener import listen
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.telegram.session.renewal_command import RENEW

LITTLE_BYTES = 2 * 10**9
TOO_LITTLE_BYTES = 200 * 10**6
"""The state itself is small, but a full disk also stops logs and kept encodes."""
_CLOCK_SECONDS = 5.0
_GONE_BACK_SECONDS = 3600.0


async def check_ports(settings: Settings) -> list[Finding]:
    """Whether page and metrics get the ports that they are to have."""
    own = isinstance(await _service(settings.state_dir), ServiceStatus)
    found = [
        await asyncio.to_thread(port_finding, name, host, port, own=own)
        for name, host, port in (
            ("WEB_PORT", settings.web_host, settings.web_port),
            ("PROMETHEUS_PORT", settings.prometheus_host, settings.prometheus_port),
        )
    ]
    text = settings.live_ingest.get_secret_value()
    return [*found, *([await asyncio.to_thread(ingest_finding, text, own=own)] if text else [])]


def ingest_finding(text: str, *, own: bool) -> Finding:
    """Whether a live stream could come in at the address of LIVE_INGEST; `own` as in `port_finding`."""
    address = parse_ingest(text)
    try:
        listen(address).close()
    except ListenFailed as error:
        if own and "in use" in error.what:
            return well("ports", f"LIVE_INGEST: {address.place} is in use, and the service runs")
        return problem("ports", f"LIVE_INGEST: {error.what}", error.remedy)
    return well("ports", f"LIVE_INGEST: {address.place} is free")


def port_finding(name: str, host: str, port: int, *, own: bool) -> Finding:
    """Whether something could listen at `host` and `port`; `own`: a service of these settings runs and may have it."""
    about, host_remedy = "ports", f"correct {name.replace('PORT', 'HOST')}"
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = places[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            tried.listen(1)
    except (socket.gaierror, UnicodeError):
        return problem(about, f"{host} is no address for {name}", host_remedy)
    except OSError as error:
        reason = (error.strerror or "cannot be used").lower()
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            return problem(about, f"{name} {port} on {host}: {reason}", host_remedy)
        if own:
            return well(about, f"{name} {port} is in use, and the service runs")
        return doubt(about, f"{name} {port} on {host}: {reason}", f"the next free one is taken; set {name} to another")
    return well(about, f"{name} {port or 'of any number'} on {host} is free")


async def check_disk(settings: Settings) -> list[Finding]:
    """Whether STATE_DIR can be written and has room."""
    return await asyncio.to_thread(disk_findings, settings.state_dir)


def disk_findings(folder: Path) -> list[Finding]:
    """Whether a file in `folder` can be written whole, and how much room there is."""
    about = "STATE_DIR"
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="doctor-") as tried:
            tried.write(b"can be written")
            tried.flush()
            os.fsync(tried.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "make it writable for the service's user, or set STATE_DIR to another folder"
        return [problem(about, f"{folder} cannot be written: {error.strerror}", remedy)]
    return [space_finding(folder, free)]


def space_finding(folder: Path, free_bytes: int) -> Finding:
    """What `free_bytes` at `folder` mean."""
    text = f"{folder} can be written, {free_bytes / 1e9:.1f} GB are free"
    remedy = "remove what is not needed, or set STATE_DIR to a folder on a larger disk"
    if free_bytes < TOO_LITTLE_BYTES:
        return problem("STATE_DIR", text, remedy)
    return doubt("STATE_DIR", text, remedy) if free_bytes < LITTLE_BYTES else well("STATE_DIR", text)


async def check_clock(settings: Settings) -> list[Finding]:
    """Whether the host's clock can be right: Telegram and TLS refuse a wrong one."""
    try:
        newest = await asyncio.to_thread(lambda: settings.state_dir.stat().st_mtime)
    except OSError:
        newest = 0.0
    try:
        dated = installed_version("yt-dlp")
    except PackageNotFoundError:
        dated = ""  # that it is missing is told with the tools
    found = clock_finding(time.time(), newest, dated)
    return [found if found.remedy or await _synchronized() else _not_synchronized()]


def clock_finding(now: float, newest_file: float, dated_version: str) -> Finding:
    """Whether `now` (seconds since 1970) is after what was surely before it: a file's time, and a version's date."""
    today = datetime.fromtimestamp(now, UTC)
    remedy = "set the clock, and keep it right: sudo timedatectl set-ntp true"
    numbers = [int(number) for number in re.findall(r"\d+", dated_version)[:3]]
    try:
        known = date(*numbers)
    except (TypeError, ValueError):
        known = date(1970, 1, 2)
    # A version is dated in UTC, and may be a day ahead of nothing.
    if today.date() < known:
        return problem("clock", f"it says {today:%Y-%m-%d}, which is before what is installed was made", remedy)
    if newest_file > now + _GONE_BACK_SECONDS:
        return doubt("clock", f"it says {today:%Y-%m-%d %H:%M} UTC and has gone back since the last run", remedy)
    return well("clock", f"{today:%Y-%m-%d %H:%M:%S} UTC")


def _not_synchronized() -> Finding:
    return doubt("clock", "nothing keeps it right", "run: sudo timedatectl set-ntp true")


async def _synchronized() -> bool:
    """False only where the host says so; a container cannot tell."""
    if shutil.which("timedatectl") is None:
        return True
    try:
        done = await run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"], timeout_seconds=_CLOCK_SECONDS
        )
    except StreamerError:
        return True
    return done.stdout.strip() != b"no"


async def check_service(settings: Settings) -> list[Finding]:
    """Whether a service with this STATE_DIR runs, and is well."""
    found = await _service(settings.state_dir)
    if isinstance(found, ServiceStatus):
        return service_findings(found)
    if isinstance(found, NoService):
        return [well("service", "none runs with this STATE_DIR; start it with: tg-video-streamer run")]
    return [problem("service", found.what, found.remedy)]


def service_findings(status: ServiceStatus) -> list[Finding]:
    """What the running service says of itself."""
    about = "service"
    if status.healthy:
        found = [well(about, f"version {status.version} runs: {StatusText(Translator()).state(status)}")]
    else:
        found = [problem(about, printable(one.text), "see: tg-video-streamer status") for one in status.problems]
    if status.degraded:
        found.append(problem(about, f"degraded: {printable(str(status.degraded_reason or ''))}", f"run: {RENEW}"))
    return [*found, *(doubt(about, printable(warning.message.text)) for warning in status.warnings)]


async def _service(state_dir: Path) -> ServiceStatus | StreamerError:
    try:
        return status_from_json(await asyncio.to_thread(ask, state_dir, "status"))
    except StreamerError as error:
        return error
