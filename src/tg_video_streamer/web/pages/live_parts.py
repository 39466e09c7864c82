"""Parts of pages that are fetched anew when something in them has changed: they hold forms, which are each visitor's own."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from tg_video_streamer.web.context import WebContext

_SALT = secrets.token_bytes(16)
"""So that nothing can be learnt from a version about what it stands for."""


def part_versions(room: WebContext) -> Mapping[str, str]:
    """What open pages compare with the version that they show, by the part's name with an @; and what holds the program."""
    status = room.verbs.status()
    desk = room.desk.state if room.desk is not None else None
    return {
        "@queue": version(tuple(item.key for item in room.verbs.queue_list()), status.next_items, status.now),
        "@session": version(desk, desk.qr_url if desk is not None else "", status.session_state, status.degraded),
        "@health": version(room.checkup.state, room.versions()),
        "@holds": " ".join(status.holds),
    }


def version(*values: object) -> str:
    """A short word that is another one for other values."""
    return hashlib.blake2s(repr(values).encode("utf-8", "replace"), key=_SALT, digest_size=6).hexdigest()
