"""A release whose environment is light: yt-dlp is really in it, every other package is a link to where this one's is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "yt-dlp-update.sh"


class LightRelease:
    """`ROOT/releases/1.0` with `ROOT/current`, as a deployment leaves them, in a folder of the test's own."""

    def __init__(self, root: Path) -> None:
        """Make it; takes some seconds."""
        self.root = root
        self.folder = root / "releases" / "1.0"
        self.venv = self.folder / "venv"
        self.log = root / "update.log"
        self.env_file = self.folder / ".env"
        self.folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.venv], check=True)
        self.packages = self.venv / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if entry.name.startswith("yt_dlp"):
                shutil.copytree(entry, self.packages / entry.name)
            elif not entry.name.startswith("__"):
                (self.packages / entry.name).symlink_to(entry)
        pip = self.venv / "bin" / "pip"
        pip.write_text(f'#!/bin/sh\nexec {self.venv}/bin/python -m pip "$@"\n')
        pip.chmod(0o755)
        (root / "current").symlink_to(self.folder)
        self.env_file.write_text("PLAYLIST=playlist.txt\n")

    @property
    def python(self) -> Path:
        """The release's interpreter."""
        return self.venv / "bin" / "python"

    def version(self) -> str:
        """What the yt-dlp of the release says of itself."""
        return self._run(self.python, "-I", "-m", "yt_dlp", "--ignore-config", "--version").stdout.strip()

    def command(self, *arguments: str) -> list[str]:
        """The update's command line for this release."""
        # The test's folder is private to its user, so the canary is run by that one.
        return [str(SCRIPT), "--release", f"{self.root}/current", "--log", str(self.log), "--user", "none", *arguments]

    def environment(self, index: str, **more: str) -> dict[str, str]:
        """The script's environment, with `index` for pip and without compiling, which takes long and proves nothing."""
        settings = {"PIP_INDEX_URL": index, "PIP_NO_COMPILE": "1", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
        return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **settings, **more}

    def update(self, index: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the update to its end."""
        return subprocess.run(
            self.command(*arguments), env=self.environment(index, **more), capture_output=True, text=True, check=False
        )

    def record(self) -> dict[str, Any]:
        """What the service reads of it."""
        found: dict[str, Any] = json.loads((self.root / "yt-dlp-update.json").read_text())
        return found

    @staticmethod
    def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True)
