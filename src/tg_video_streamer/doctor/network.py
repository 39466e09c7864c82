"""Checks whether outputs and heartbeat accept a connection, and whether a notification arrives."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from tg_video_streamer.doctor.finding import Finding, doubt, problem, well
from tg_video_streamer.errors import ConfigError, StreamerError
from tg_video_streamer.monitoring.alerts.alert import Severity
from tg_video_streamer.monitoring.alerts.send import Sent, notify_addresses, send
from tg_video_streamer.monitoring.heartbeat import heartbeat_target
from tg_video_streamer.outputs.target import OutputTarget
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.settings.targets import output_targets

CONNECT_SECONDS = 5.0
_REACH_REMEDY = "check the address in OUTPUTS, the network, and the firewall"


async def check_outputs(settings: Settings) -> list[Finding]:
    """Each target of OUTPUTS, and the heartbeat's host: connected to and left again, nothing is sent."""
    try:
        targets = output_targets(settings)
    except ConfigError as error:
        return [problem("outputs", text) for text in error.problems]
    found = list(await asyncio.gather(*(_target_finding(target) for target in targets)))
    if not targets:
        found.append(doubt("outputs", "none is set, only the preview is made", "set OUTPUTS"))
    if url := settings.heartbeat_url.get_secret_value():
        found.append(await _heartbeat_finding(url))
    return found


async def _target_finding(target: OutputTarget) -> Finding:
    about = f"output {target.name}"
    if target.rtmp is not None:
        return await _reached(about, target.rtmp.host, target.rtmp.port, _REACH_REMEDY)
    if target.srt_url:
        return await _srt_finding(about, target.srt_url)
    if target.path is not None:
        return await asyncio.to_thread(folder_finding, about, target.path)
    return well(about, "is checked with the session")


async def _reached(about: str, host: str, port: int, remedy: str) -> Finding:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return problem(about, f"{host} port {port} does not answer within {CONNECT_SECONDS:g} s", remedy)
    except UnicodeError:
        return problem(about, f"{host} is no host name", remedy)
    except OSError as error:
        reason = error.strerror or "no connection"
        if not isinstance(error, socket.gaierror) and error.errno:
            reason = os.strerror(error.errno)
        return problem(about, f"{host} port {port} cannot be reached: {reason.lower()}", remedy)
    writer.close()
    return well(about, f"{host} port {port} takes connections")


async def _srt_finding(about: str, url: str) -> Finding:
    """SRT has no connection before its own; only the name can be looked up."""
    parts = urlsplit(url)
    if not parts.hostname:
        return well(about, f"waits for a receiver at port {parts.port}")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port)
    except (TimeoutError, OSError, UnicodeError):
        return problem(about, f"{parts.hostname} is no host that can be found", _REACH_REMEDY)
    return well(about, f"{parts.hostname} is known; whether it takes SRT shows only on air")


def folder_finding(about: str, path: Path) -> Finding:
    """Whether what is to be written at `path` can be: the nearest folder that is there must be writable."""
    place = path if path.is_dir() else path.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return well(about, f"{place} can be written")
    return problem(about, f"{place} cannot be written", "make it writable for the service's user")


async def _heartbeat_finding(url: str) -> Finding:
    try:
        target = heartbeat_target(url)
    except ValueError:
        return problem("heartbeat", "HEARTBEAT_URL cannot be read", "correct it")
    return await _reached("heartbeat", target.host, target.port, "check HEARTBEAT_URL, the network, and the firewall")


async def check_notifications(settings: Settings) -> list[Finding]:
    """Send a test message to NOTIFY_URLS, where there are any."""
    addresses = notify_addresses(settings.notify_urls.get_secret_value())
    if not addresses:
        return [doubt("notifications", "no alerts are sent", "set NOTIFY_URLS (see .env.template)")]
    text = "this is a test: alerts will arrive here"
    title = f"tg-video-streamer on {socket.gethostname()}"
    try:
        return [sent_finding(await send(addresses, title=title, text=text, severity=Severity.INFO))]
    except (StreamerError, OSError) as error:
        return [problem("notifications", str(error))]


def sent_finding(result: Sent) -> Finding:
    """What became of the test message."""
    about = "notifications"
    text = f"a test message was sent to {result.sent} of {result.sent + result.failed + result.unknown} addresses"
    if not result.failed and not result.unknown:
        return well(about, text)
    parts = [f"{result.failed} did not take it"] if result.failed else []
    parts += [f"{result.unknown} of no kind that Apprise knows"] if result.unknown else []
    return problem(about, f"{text}: {', '.join(parts)}", "correct NOTIFY_URLS and run this again")
