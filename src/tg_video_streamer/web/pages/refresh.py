"""Versions of page parts that the script fetches again after a change, since their forms are specific to the visitor."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace

from tg_video_streamer.control.status import FleetStatus
from tg_video_streamer.web.context import WebContext

_SALT = secrets.token_bytes(16)
"""Prevents guessing content from its version."""


def part_versions(context: WebContext) -> Mapping[str, str]:
    """The current version of each part, as @name, and what holds the program."""
    status = context.commands.status()
    login = context.login.state if context.login is not None else None
    return {
        "@queue": version(tuple(item.key for item in context.commands.queue_list()), status.next_items, status.now),
        "@session": version(login, login.qr_url if login is not None else "", status.session_state, status.degraded),
        "@live": version(status.live.state if status.live is not None else ""),
        "@seek": version(status.now),
        "@warnings": version(status.warnings),
        "@fleet": version(_without_times(status.fleet)),
        "@health": version(context.checks.state, context.versions()),
        "@holds": " ".join(status.holds),
    }


def _without_times(fleet: FleetStatus | None) -> FleetStatus | None:
    """What a change of shows something new, not only that time has passed."""
    if fleet is None:
        return None
    hosts = tuple(replace(one, behind_seconds=round(one.behind_seconds / 10)) for one in fleet.hosts)
    return replace(fleet, lease_seconds=round(fleet.lease_seconds / 10), renewal_seconds=0.0, hosts=hosts)


def version(*values: object) -> str:
    """A short hash of `values`."""
    return hashlib.blake2s(repr(values).encode("utf-8", "replace"), key=_SALT, digest_size=6).hexdigest()
