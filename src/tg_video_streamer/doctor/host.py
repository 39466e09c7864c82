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
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.doctor.finding import Finding, Verdict, doubt, failure, finding, problem, well
from tg_video_streamer.errors import ListenFailed, NoService, StreamerError
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.ingest.address import IngestAddress, parse_doors
from tg_video_streamer.ingest.listener import listen
from tg_video_streamer.ingest.srt_address import SrtAddress
from tg_video_streamer.locales.message import Message
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
    doors = parse_doors(settings.live_ingest.get_secret_value())
    if doors.rtmp is not None:
        found.append(await asyncio.to_thread(ingest_finding, doors.rtmp, own=own))
    if doors.srt is not None:
        found.append(await asyncio.to_thread(srt_finding, doors.srt, own=own))
    return found


def ingest_finding(address: IngestAddress, *, own: bool) -> Finding:
    """Whether a live stream could come in at the address of LIVE_INGEST; `own` as in `port_finding`."""
    try:
        listen(address).close()
    except ListenFailed as error:
        if own and isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            return well("ports", "doctor.ingest_in_use", place=address.place)
        return problem("ports", "doctor.ingest_failed", detail=error.message)
    return well("ports", "doctor.ingest_free", place=address.place)


def srt_finding(address: SrtAddress, *, own: bool) -> Finding:
    """Whether a live stream could come in at the SRT address of LIVE_INGEST, whose port is one of UDP; `own` as there."""
    try:
        places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = places[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.bind(place)
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if own and number == errno.EADDRINUSE:
            return well("ports", "doctor.ingest_in_use", place=address.place)
        text = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        failed = Message.of("listen.ingest", place=address.place, detail=text.lower())
        return problem("ports", "doctor.ingest_failed", detail=failed)
    return well("ports", "doctor.ingest_free", place=address.place)


def port_finding(name: str, host: str, port: int, *, own: bool) -> Finding:
    """Whether something could listen at `host` and `port`; `own`: a service of these settings runs and may have it."""
    values: dict[str, str | int] = {"name": name, "port": port, "host": host}
    host_setting = name.replace("PORT", "HOST")
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = places[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            tried.listen(1)
    except (socket.gaierror, UnicodeError):
        return problem("ports", "doctor.no_address", "doctor.correct", setting=host_setting, **values)
    except OSError as error:
        detail = (error.strerror or type(error).__name__).lower()
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            return problem("ports", "doctor.port", "doctor.correct", detail=detail, setting=host_setting, **values)
        if own:
            return well("ports", "doctor.port_in_use", **values)
        return doubt("ports", "doctor.port", detail=detail, **values)
    return well("ports", "doctor.port_free" if port else "doctor.port_any", **values)


async def check_disk(settings: Settings) -> list[Finding]:
    """Whether STATE_DIR can be written and has free space."""
    return await asyncio.to_thread(disk_findings, settings.state_dir)


def disk_findings(folder: Path) -> list[Finding]:
    """Whether a whole file can be written in `folder`, and how much space is free."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="doctor-") as tried:
            tried.write(b"can be written")
            tried.flush()
            os.fsync(tried.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [problem("STATE_DIR", "doctor.state_dir", folder=str(folder), detail=str(error.strerror))]
    return [space_finding(folder, free)]


def space_finding(folder: Path, free_bytes: int) -> Finding:
    """What `free_bytes` at `folder` mean."""
    little = Verdict.PROBLEM if free_bytes < TOO_LITTLE_BYTES else Verdict.WARNING
    verdict = little if free_bytes < LITTLE_BYTES else Verdict.OK
    return finding(verdict, "STATE_DIR", "doctor.space", folder=str(folder), free=free_bytes)


async def check_clock(settings: Settings) -> list[Finding]:
    """Whether the host's clock can be right: Telegram and TLS refuse a wrong one."""
    try:
        newest = await asyncio.to_thread(lambda: settings.state_dir.stat().st_mtime)
    except OSError:
        newest = 0.0
    try:
        dated = installed_version("yt-dlp")
    except PackageNotFoundError:
        dated = ""  # reported by the check of yt-dlp
    found = clock_finding(time.time(), newest, dated)
    return [found if found.remedy or await _synchronized() else doubt("clock", "doctor.clock_free")]


def clock_finding(now: float, newest_file: float, dated_version: str) -> Finding:
    """Whether `now` (seconds since 1970) is after what was surely before it: a file's time, and a version's date."""
    today = datetime.fromtimestamp(now, UTC)
    numbers = [int(number) for number in re.findall(r"\d+", dated_version)[:3]]
    try:
        known = date(*numbers)
    except (TypeError, ValueError):
        known = date(1970, 1, 2)
    # A version is dated in UTC, and may be a day ahead of nothing.
    if today.date() < known:
        return problem("clock", "doctor.clock_early", "doctor.set_clock", time=f"{today:%Y-%m-%d}")
    if newest_file > now + _GONE_BACK_SECONDS:
        return doubt("clock", "doctor.clock_back", "doctor.set_clock", time=f"{today:%Y-%m-%d %H:%M} UTC")
    return well("clock", Message.raw(f"{today:%Y-%m-%d %H:%M:%S} UTC"))


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
    """Whether a service with this STATE_DIR runs, and is healthy."""
    found = await _service(settings.state_dir)
    if isinstance(found, ServiceStatus):
        return service_findings(found)
    if isinstance(found, NoService):
        return [well("service", "doctor.no_service")]
    return [failure("service", found)]


def service_findings(status: ServiceStatus) -> list[Finding]:
    """The state that the running service reports."""
    if status.healthy:
        state = Message.find(f"channel_state.{status.channel_state}") or Message.raw(status.channel_state)
        found = [well("service", "doctor.service", version=status.version, state=state)]
        found += [doubt("service", one.map_texts(printable)) for one in status.problems]
    else:
        problems = (one.map_texts(printable) for one in status.problems)
        found = [problem("service", "doctor.unhealthy", problem=one) for one in problems]
    if status.degraded:
        reason = status.degraded_reason.map_texts(printable) if status.degraded_reason is not None else ""
        found.append(problem("service", "doctor.degraded", "run_command", reason=reason, command=RENEW))
    return [*found, *(doubt("service", warning.message.map_texts(printable)) for warning in status.warnings)]


async def _service(state_dir: Path) -> ServiceStatus | StreamerError:
    try:
        return status_from_json(await asyncio.to_thread(ask, state_dir, "status"))
    except StreamerError as error:
        return error
