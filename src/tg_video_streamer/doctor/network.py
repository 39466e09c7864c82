"""Checks whether outputs and heartbeat accept a connection, and whether a notification arrives."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from tg_video_streamer.doctor.finding import Finding, doubt, failure, problem, well
from tg_video_streamer.errors import ConfigError, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator, environment_language
from tg_video_streamer.monitoring.alerts.alert import Severity
from tg_video_streamer.monitoring.alerts.send import Sent, notify_addresses, send
from tg_video_streamer.monitoring.http_call import http_target
from tg_video_streamer.outputs.target import OutputTarget
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.settings.targets import output_targets

CONNECT_SECONDS = 5.0
_REACH = "doctor.check_network"


async def check_outputs(settings: Settings) -> list[Finding]:
    """Each target of OUTPUTS, and the heartbeat's host: connected to and left again, nothing is sent."""
    try:
        targets = output_targets(settings)
    except ConfigError as error:
        return [problem("outputs", Message.raw(text)) for text in error.problems]
    found = list(await asyncio.gather(*(_target_finding(target) for target in targets)))
    if not targets:
        found.append(doubt("outputs", "doctor.no_outputs"))
    if url := settings.heartbeat_url.get_secret_value():
        found.append(await _heartbeat_finding(url))
    return found


async def _target_finding(target: OutputTarget) -> Finding:
    about = Message.of("about.output", name=target.name)
    if target.rtmp is not None:
        return await _reached(about, target.rtmp.host, target.rtmp.port, "OUTPUTS")
    if target.srt_url:
        return await _srt_finding(about, target.srt_url)
    if target.path is not None:
        return await asyncio.to_thread(folder_finding, about, target.path)
    return well(about, "doctor.with_session")


async def _reached(about: str | Message, host: str, port: int, setting: str) -> Finding:
    """Whether `host` accepts a connection; `setting` has the address."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return problem(
            about, "doctor.no_answer", _REACH, host=host, port=port, seconds=CONNECT_SECONDS, setting=setting
        )
    except UnicodeError:
        return problem(about, "doctor.no_host_name", _REACH, host=host, setting=setting)
    except OSError as error:
        reason = error.strerror or "no connection"
        if not isinstance(error, socket.gaierror) and error.errno:
            reason = os.strerror(error.errno)
        return problem(
            about, "doctor.no_connection", _REACH, host=host, port=port, detail=reason.lower(), setting=setting
        )
    writer.close()
    return well(about, "doctor.connected", host=host, port=port)


async def _srt_finding(about: Message, url: str) -> Finding:
    """SRT has no connection before its own; only the name can be looked up."""
    parts = urlsplit(url)
    if not parts.hostname:
        return well(about, "doctor.srt_listens", port=parts.port or 0)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port)
    except (TimeoutError, OSError, UnicodeError):
        return problem(about, "doctor.srt_unknown", _REACH, host=parts.hostname, setting="OUTPUTS")
    return well(about, "doctor.srt_known", host=parts.hostname)


def folder_finding(about: str | Message, path: Path) -> Finding:
    """Whether a file at `path` could be written: the nearest folder that exists must be writable."""
    place = path if path.is_dir() else path.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return well(about, "doctor.folder", folder=str(place))
    return problem(about, "doctor.folder_read_only", folder=str(place))


async def _heartbeat_finding(url: str) -> Finding:
    try:
        target = http_target(url)
    except ValueError:
        return problem("heartbeat", "doctor.heartbeat_url")
    return await _reached("heartbeat", target.host, target.port, "HEARTBEAT_URL")


async def check_notifications(settings: Settings) -> list[Finding]:
    """Send a test message to NOTIFY_URLS, where there are any."""
    addresses = notify_addresses(settings.notify_urls.get_secret_value())
    if not addresses:
        return [doubt("notifications", "doctor.no_alerts")]
    words = Translator(language=environment_language(os.environ))
    text = words.text("doctor.test_message")
    title = words.text("doctor.test_title", host=socket.gethostname())
    try:
        return [sent_finding(await send(addresses, title=title, text=text, severity=Severity.INFO))]
    except StreamerError as error:
        return [failure("notifications", error)]
    except OSError as error:
        return [problem("notifications", Message.raw(str(error)))]


def sent_finding(result: Sent) -> Finding:
    """How many addresses got the test message."""
    failed, unknown = result.failed, result.unknown
    count = result.sent + failed + unknown
    if not failed and not unknown:
        return well("notifications", "doctor.sent", sent=result.sent, count=count)
    return problem("notifications", "doctor.not_sent", sent=result.sent, count=count, failed=failed, unknown=unknown)
