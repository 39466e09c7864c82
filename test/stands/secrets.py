"""What must never be shown: each stand names its secrets here, and all that comes out of a test is searched for them.

`never_shown` names one; `look` and `look_into` search a text and a folder; `stands.secret_check` asks for the findings after
each test and fails it by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

SHORTEST = 8
"""A shorter word stands in innocent texts too."""
_LARGEST_BYTES = 8_000_000
_READABLE = frozenset({".log", ".json", ".jsonl", ".csv", ".prom", ".html", ".txt", ""})
"""Kinds of files that the product writes and people read; media is none."""
_MEANT_TO_HOLD_SECRETS = frozenset({"telegram.json", "playlist.txt", "web-token"})
_FOLDERS_OF_PEERS = frozenset({"nginx", "sshd", "cache", "scratch"})
_SECRET_SETTINGS = frozenset(
    {
        "API_HASH",
        "SESSION_STRING",
        "SESSION_STRING_SPARE",
        "WEB_TOKEN",
        "WEB_VIEWER_TOKEN",
        "TELEGRAM_PROXY",
        "YTDLP_PROXY",
        "HEARTBEAT_URL",
    }
)

_always: set[str] = set()
_of_this_module: set[str] = set()
_findings: list[str] = []


def never_shown(*secrets: str) -> None:
    """For the whole run: constants of stands and tests, named while they are imported."""
    _always.update(secret for secret in secrets if len(secret) >= SHORTEST)


def never_shown_here(*secrets: str) -> None:
    """Until the next test module: sessions and keys that are made for one test."""
    _of_this_module.update(secret for secret in secrets if len(secret) >= SHORTEST)


def never_shown_settings(settings: Mapping[str, str]) -> None:
    """The secrets of a service's settings, found without the product's own idea of them."""
    for key, value in settings.items():
        if key in _SECRET_SETTINGS:
            never_shown_here(value, *_inside_of(value))
        elif key == "OUTPUTS":
            for target in value.split():
                never_shown_here(*_inside_of(target))


def _inside_of(url: str) -> list[str]:
    parts = urlsplit(url)
    if not parts.scheme.startswith(("rtmp", "srt", "socks", "http")):
        return []
    found = [unquote(parts.password or ""), *(value for _, value in parse_qsl(parts.query))]
    if parts.scheme.startswith("rtmp"):
        found.append(parts.path.rpartition("/")[2])
    # A plain word as a key is a name in paths and prose as well.
    return [one for one in found if re.search(r"[^A-Za-z]", one)]


def new_module() -> None:
    """Forget what the last test module named."""
    _of_this_module.clear()


def look(text: str, where: str) -> None:
    """Search a text that people or programs may see."""
    _findings.extend(
        f"{where} shows a secret ({secret[:4]}…, {len(secret)} characters): …{_around(text, secret)}…"
        for secret in (*_always, *_of_this_module)
        if secret in text
    )


def _around(text: str, secret: str) -> str:
    at = text.index(secret)
    return (text[max(0, at - 60) : at] + "<secret>" + text[at + len(secret) :][:20]).replace("\n", " ")


def look_into(folder: Path) -> None:
    """Search what a product left in a folder: logs, state, status, as-run and metrics files."""
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.suffix not in _READABLE or path.name in _MEANT_TO_HOLD_SECRETS or path.name.startswith(".env"):
            continue
        if _FOLDERS_OF_PEERS.intersection(inside.parts) or not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            continue
        look(path.read_bytes().decode(errors="replace"), f"file {inside}")


def taken_findings() -> list[str]:
    """What was found since the last call, each once."""
    found = list(dict.fromkeys(_findings))
    _findings.clear()
    return found
