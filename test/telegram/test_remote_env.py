"""What is sent to a server to change its settings runs there without this program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tg_video_streamer.telegram.session.remote_env import _PYTHON, Server, _order


def test_the_sent_modules_are_complete(tmp_path: Path) -> None:
    """A Python that has none of our modules changes the settings with those that are sent."""
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    file.chmod(0o600)
    order = _order(Server(host="h", path=str(file)), {"SESSION_STRING": "x"}, 5.0)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PYTHON], input=order, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, b"written\n"), done.stderr.decode()
    assert "SESSION_STRING=x" in file.read_text()
