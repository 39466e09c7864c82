"""The access tokens: constant-time comparison, the generated token's file, and when the settings must have one."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tg_video_streamer.atomic_file import replace_file

FILE_NAME = "web-token"
"""In STATE_DIR."""
MIN_LENGTH = 16
"""Characters."""
_RANDOM_BYTES = 32
_MAX_FILE_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """The operator's and the viewer's token; an empty one is never valid."""

    operator: str = field(repr=False)
    viewer: str = field(default="", repr=False)

    def role_of(self, token: str) -> str:
        """`operator`, `viewer` or `anonymous`, in constant time."""
        # Both are always compared: the time does not reveal which one matched.
        operator = same(token, self.operator) & bool(self.operator)
        viewer = same(token, self.viewer) & bool(self.viewer)
        return "operator" if operator else "viewer" if viewer else "anonymous"

    def fingerprint(self, role: str) -> bytes:
        """Lets a session detect that its token was changed."""
        return _digest({"operator": self.operator, "viewer": self.viewer}.get(role, ""))


def same(one: str, other: str) -> bool:
    """Compares two secrets in constant time, whatever their lengths."""
    return hmac.compare_digest(_digest(one), _digest(other))


def new_token() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def read_token(folder: Path) -> str:
    """The token stored in `folder`; empty if missing or too short. Raises OSError."""
    descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        token = file.read(_MAX_FILE_BYTES).decode("utf-8", "replace").strip()
    return token if len(token) >= MIN_LENGTH else ""


def ensure_token(folder: Path) -> tuple[str, bool]:
    """The token stored in `folder`, and whether it was created now; atomic, mode 0600. Raises OSError."""
    path = folder / FILE_NAME
    try:
        found = read_token(folder)
    except FileNotFoundError:
        found = ""
    if found:
        # A copied folder may have lost its mode.
        path.chmod(0o600, follow_symlinks=False) if path.stat().st_mode & 0o077 else None
        return found, False
    token = new_token()
    replace_file(path, f"{token}\n".encode())
    return token, True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def is_loopback(host: str) -> bool:
    """Whether only this host can connect to a listener at `host`: 127.0.0.0/8, ::1 or localhost."""
    name = host.strip().lower().strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def exposure_problems(host: str, *, token: str, viewer_token: str, behind_proxy: bool) -> list[str]:
    """What the settings lack before the page may listen at WEB_HOST `host`, one line each."""
    problems = []
    if not is_loopback(host):
        where = f"WEB_HOST: others can reach {host}"
        if not token:
            problems.append(f"{where}, so WEB_TOKEN must be set; make one with: openssl rand -hex 24")
        if not behind_proxy:
            problems.append(
                f"{where}, and tokens would cross the network in the clear; put a proxy with TLS in front and set "
                "WEB_BEHIND_PROXY=1, or take 127.0.0.1 and an SSH tunnel"
            )
    if token and token == viewer_token:
        problems.append("WEB_VIEWER_TOKEN: must differ from WEB_TOKEN, or every viewer is an operator")
    return problems
