"""A disk that hangs on demand: a small library, preloaded into the service, blocks its file operations below a folder.

disk = HangingDisk(tmp_path)                # None of it without a C compiler: `needs_compiler`
with on_air(…, preload=disk.environment):
    disk.hang(folder)                       # stat, open, read … below `folder` do not return from here on
    disk.release()                          # they do, as if nothing had been
    disk.in_main_thread(pid)                # what the event loop's thread did below the watched root
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stands.made import CACHE

_SOURCE = Path(__file__).with_suffix(".c")
needs_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="gcc is not installed: no disk can be made to hang"
)


@dataclass(frozen=True, kw_only=True)
class HangingDisk:
    """Every path below `root` may hang, in processes that have `environment`."""

    root: Path
    folder: Path
    """Of its own files; not below `root`."""
    library: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "library", _compiled())
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs for its disk to hang."""
        return {
            "LD_PRELOAD": str(self.library),
            "DISK_ROOT": str(self.root),
            "DISK_HANGS": str(self.folder / "hangs"),
            "DISK_NOTES": str(self.folder / "notes"),
        }

    def hang(self, *paths: Path) -> None:
        """Operations on these and all below them do not return from now on."""
        partial = self.folder / "hangs.new"
        partial.write_text("".join(f"{path}\n" for path in paths))
        partial.replace(self.folder / "hangs")

    def release(self) -> None:
        """All of them return."""
        self.hang()

    def in_main_thread(self, pid: int) -> list[str]:
        """The operations and paths of that process's main thread since `forget`."""
        notes = self.folder / "notes"
        text = notes.read_text(errors="replace") if notes.exists() else ""
        words = (line.split(" ", 1) for line in text.splitlines())
        return [rest for number, rest in words if number == str(pid)]

    def forget(self) -> None:
        """Begin another list for `in_main_thread`."""
        (self.folder / "notes").unlink(missing_ok=True)


def _compiled() -> Path:
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    library = CACHE / f"hanging-disk-{digest}.so"
    if not library.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = library.with_name(f"{library.name}.{os.getpid()}")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", partial, _SOURCE, "-ldl"], check=True)
        partial.replace(library)
    return library
