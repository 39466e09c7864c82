"""What should be the same on all hosts of a channel: digests of playlist, schedule and settings, never their values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import SecretStr

from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.settings.settings import Settings

OF_ONE_HOST = frozenset(
    {
        "host_name",
        "fleet_credentials",
        "fleet_priority",
        "state_dir",
        "library_dir",
        "library_max_gb",
        "spool_max_gb",
        "prometheus_host",
        "prometheus_port",
        "web_host",
        "web_port",
        "web_token",
        "web_viewer_token",
        "web_names",
        "web_behind_proxy",
        "web_proxies",
        "heartbeat_url",
        "log_format",
        "fleet_ca",
        "fleet_store_credentials",
        "ytdlp_proxy",
        "telegram_proxy",
    }
)
"""Settings that each host has for itself."""
_IS_SET = "set"
"""All that is said of a secret."""
_MISSING = "missing"


async def fleet_facts(settings: Settings) -> dict[str, str]:
    """By name: `playlist`, `schedule`, and the key of each setting that has not its default."""
    facts = setting_facts(settings)
    for name, path in (("playlist", settings.playlist), ("schedule", settings.schedule)):
        try:
            facts[name] = await DISKS.run_within(START_SECONDS, path, _file_fact, path)
        except (OSError, DiskHangs):
            facts[name] = "unreadable"
    return facts


def setting_facts(settings: Settings) -> dict[str, str]:
    """A digest of each setting that has not its default; of a secret only that it is set."""
    found = {}
    plain = settings.model_dump(mode="json", exclude_defaults=True, exclude=set(OF_ONE_HOST))
    for name, value in plain.items():
        secret = isinstance(getattr(settings, name), SecretStr)
        found[name.upper()] = _IS_SET if secret else _digest(json.dumps(value, sort_keys=True).encode())
    return found


def _file_fact(path: Path) -> str:
    return _digest(path.read_bytes()) if path.exists() else _MISSING


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=4).hexdigest()
