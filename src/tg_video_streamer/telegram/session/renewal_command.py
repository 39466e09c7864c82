"""The shell commands that make a new Telegram session: for any installation, and for this very one."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

RENEW = "tg-video-streamer session renew --write-env"
RENEW_SPARE = "tg-video-streamer session login --spare --write-env"

_SCRIPT = Path("test/auto_session_runner.py")


def renewal_command(env_file: Path | None) -> str:
    """The command that renews the session of this installation, with full paths, to paste into a shell."""
    folder = env_file.parent if env_file is not None else None
    if folder is not None and (folder / "venv").resolve() == Path(sys.prefix).resolve():
        # A release: by the link that leads to it, so that the command outlives the next deploy.
        words = [str(folder / "venv" / "bin" / "python"), str(folder / _SCRIPT)]
    else:
        words = [sys.executable, str(Path(__file__).resolve().parents[4] / _SCRIPT)]
    if not Path(words[1]).is_file():
        words = [str(Path(sys.executable).with_name("tg-video-streamer")), "session", "renew"]
    words.append("--write-env")
    if env_file is not None:
        words += ["--env-file", str(env_file)]
    return shlex.join(words)
