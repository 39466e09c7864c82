#!/usr/bin/env python3
"""Makes a new Telegram session: `tg-video-streamer session renew` with the right interpreter and settings file.

python test/auto_session_runner.py [--write-env] [--qr] [--spare] [--env-file FILE] [--remote-host HOST …]

It works with any Python 3, from a checkout (`.venv` in it) and from a release folder (its virtual environment in it or
beside it), and finds the `.env` of both.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AGAIN = "TG_VIDEO_STREAMER_RUNNER"


def interpreter() -> "Path | None":
    """The Python of the virtual environment that belongs to this folder."""
    beside = [folder / name for folder in (ROOT, ROOT.parent, ROOT.parent.parent) for name in (".venv", "venv")]
    found = [folder / "bin" / "python" for folder in (*beside[:2], Path(f"{ROOT}.venv"), *beside[2:])]
    return next((python for python in found if os.access(str(python), os.X_OK)), None)


def settings_file() -> Path:
    """The `.env` of this folder, which in a release is a link; else the shared one; else where it is to be made."""
    candidates = [ROOT / ".env", ROOT.parent.parent / "shared" / ".env", ROOT.parent / "shared" / ".env"]
    return next((path for path in candidates if path.exists()), candidates[0])


def main() -> int:
    """Run the command, in the virtual environment where that is another one than ours; its exit code."""
    arguments = sys.argv[1:]
    if not any(one == "--env-file" or one.startswith("--env-file=") for one in arguments):
        arguments += ["--env-file", str(settings_file())]
    python = interpreter()
    ours = Path(sys.prefix).resolve()
    if python is not None and python.parent.parent.resolve() != ours and AGAIN not in os.environ:
        os.environ[AGAIN] = "1"
        os.execv(str(python), [str(python), __file__, *sys.argv[1:]])  # noqa: S606 - the interpreter that has the packages
    sys.path.insert(0, str(ROOT / "src"))
    try:
        from tg_video_streamer.cli import main as command  # noqa: PLC0415 - not there in every interpreter
    except ImportError as error:
        print(f"auto_session_runner: {error}; run: make setup (in {ROOT})", file=sys.stderr)  # noqa: T201 - its voice
        return 1
    return command(["session", "renew", *arguments])


if __name__ == "__main__":
    sys.exit(main())
