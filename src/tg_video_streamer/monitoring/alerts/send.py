"""Sends one message to every address of NOTIFY_URLS, in a child process, which alone loads Apprise."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tg_video_streamer.errors import ChildFailed
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.monitoring.alerts.alert import Severity

DEADLINE_SECONDS = 60.0
_LARGEST_ANSWER = 64 * 1024
_CHILD = (sys.executable, "-I", "-m", "tg_video_streamer.monitoring.alerts.send_child")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """The number of addresses that took the message, that failed, and that Apprise cannot read."""

    sent: int
    failed: int
    unknown: int


def notify_addresses(text: str) -> tuple[str, ...]:
    """The addresses that NOTIFY_URLS lists, separated by spaces."""
    return tuple(text.split())


def notify_problems(text: str) -> list[str]:
    """What is wrong with the form of NOTIFY_URLS, one line each, which never repeats an address."""
    return [
        f"NOTIFY_URLS: address {number} does not begin with a service such as tgram:// or mailto://"
        for number, address in enumerate(notify_addresses(text), start=1)
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://\S", address)
    ]


async def send(
    addresses: Sequence[str], *, title: str, text: str, severity: Severity, deadline_seconds: float = DEADLINE_SECONDS
) -> Sent:
    """Send to all `addresses`. Raises ChildFailed, which names none of them, where the child fails."""
    order = json.dumps({"urls": list(addresses), "title": title, "body": text, "kind": str(severity)}).encode()
    # Some hosts reach the web through a proxy only.
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    try:
        done = await run(
            _CHILD,
            stdin=order,
            timeout_seconds=deadline_seconds,
            limit_bytes=_LARGEST_ANSWER,
            nice=5,
            environment=proxies,
        )
    except ChildFailed:
        # The error ends with the child's last lines, which may hold an address.
        raise ChildFailed.of("notifications.slow", seconds=deadline_seconds) from None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    try:
        answer = json.loads(lines[-1])
        return Sent(sent=int(answer["sent"]), failed=int(answer["failed"]), unknown=int(answer["unknown"]))
    except (IndexError, KeyError, TypeError, ValueError):
        raise ChildFailed.of("notifications.ended", code=done.returncode) from None
