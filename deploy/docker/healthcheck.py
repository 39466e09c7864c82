"""The container's health check: 0 while media reaches every output that should receive it, else 1 with the reasons.

It uses the control socket, so it needs no port, whatever the settings are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tg_video_streamer.cli.locate import state_dir
from tg_video_streamer.control.socket import client
from tg_video_streamer.errors import StreamerError


def main(env_file: Path | None) -> int:
    """Print the problems of the service with these settings, those of the environment for None; the exit code."""
    try:
        status = client.ask(state_dir(env_file, os.environ), "status", timeout_seconds=5.0)
    except StreamerError as error:
        print(error)  # noqa: T201 - docker keeps what the check prints
        return 1
    for problem in status["problems"]:
        print(problem["text"])  # noqa: T201 - the same
    return 0 if status["healthy"] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else None))
