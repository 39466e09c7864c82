"""The shell command that makes a new session, as the operator of this installation pastes it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

RENEW = "tg-video-streamer session renew --write-env"
"""For messages that know no settings file."""

_SCRIPT = Path("test/auto_session_runner.py")


def renewal_command(env_file: Path | None) -> str:
    """What gets a new session in this very installation, to be pasted into a shell."""
    beside = env_file.parent if env_file is not None else None
    if beside is not None and (beside / "venv").resolve() == Path(sys.prefix).resolve():
        # A release: by the link that leads to it, so that the command outlives the next deploy.
        words = [str(beside / "venv" / "bin" / "python"), str(beside / _SCRIPT)]
    else:
        words = [sys.executable, str(Path(__file__).resolve().parents[4] / _SCRIPT)]
    if not Path(words[1]).is_file():
        words = [str(Path(sys.executable).with_name("tg-video-streamer")), "session", "renew"]
    words.append("--write-env")
    if env_file is not None:
        words += ["--env-file", str(env_file)]
    return shlex.join(words)
