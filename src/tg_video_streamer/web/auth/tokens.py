"""The two words that open the room, compared in constant time, and the file that keeps the one made at the first start."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from tg_video_streamer.atomic_file import replace_file

FILE_NAME = "web-token"
"""In STATE_DIR."""
SHORTEST = 16
"""Characters that a token has at least."""
_RANDOM_BYTES = 32
_LONGEST_FILE = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What operators and viewers show; an empty one opens to nobody."""

    operator: str = field(repr=False)
    viewer: str = field(default="", repr=False)

    def role_name_of(self, word: str) -> str:
        """`operator`, `viewer`, or `nobody`; it takes the same time whatever `word` has in common with a token."""
        # Both are compared whichever fits: the time tells nothing of which it was.
        operator = same(word, self.operator) & bool(self.operator)
        viewer = same(word, self.viewer) & bool(self.viewer)
        return "operator" if operator else "viewer" if viewer else "nobody"

    def fingerprint(self, role_name: str) -> bytes:
        """By which a session knows that the token that it was opened with has been changed."""
        return _digest({"operator": self.operator, "viewer": self.viewer}.get(role_name, ""))


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ, nor on their lengths."""
    return hmac.compare_digest(_digest(one), _digest(other))


def fresh_token() -> str:
    """256 bits of chance, in letters that a person can copy."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def read_token(folder: Path) -> str:
    """The token that is kept in `folder`; empty where none is, or none that is long enough. Raises OSError."""
    descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        word = file.read(_LONGEST_FILE).decode("utf-8", "replace").strip()
    return word if len(word) >= SHORTEST else ""


def keep_token(folder: Path) -> tuple[str, bool]:
    """The token that is kept in `folder`, and whether it was made now: whole or not at all, mode 0600. Raises OSError."""
    path = folder / FILE_NAME
    try:
        found = read_token(folder)
    except FileNotFoundError:
        found = ""
    if found:
        # Whoever copied the folder may have opened it to others.
        path.chmod(0o600, follow_symlinks=False) if path.stat().st_mode & 0o077 else None
        return found, False
    token = fresh_token()
    replace_file(path, f"{token}\n".encode())
    return token, True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
