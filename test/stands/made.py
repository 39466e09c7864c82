"""Makes a file once for all tests, all workers and all later runs; each caller gets a copy that it may spoil."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tg_video_streamer.ffmpeg.binary import fingerprint

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("TEST_CACHE_DIR") or REPOSITORY / ".test-cache")
"""Git ignores it; `make clean` removes it."""
_UNUSED_SECONDS = 7 * 24 * 3600.0


def made_once(target: Path, make: Callable[[Path], object], *how: object) -> Path:
    """Write `target`, a file or folder: what `make(path)` made when it was first asked with the same `how`.

    `how` names everything that decides the content, but for the suffix of the name.
    """
    digest = hashlib.sha256(repr((target.suffix, *how)).encode()).hexdigest()[:32]
    name = f"made{target.suffix}"
    kept = CACHE / "made" / digest
    with exclusive(CACHE / "made" / f"{digest}.lock"):
        if not kept.is_dir():
            work = CACHE / "made" / f"{digest}.new"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            make(work / name)
            work.rename(kept)
        os.utime(kept)
    target.parent.mkdir(parents=True, exist_ok=True)
    if (kept / name).is_dir():
        shutil.copytree(kept / name, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(kept / name, target)
    return target


def identity(*programs: str | Path) -> tuple[str, ...]:
    """What tells one version of these programs or modules from another."""
    return tuple(fingerprint(Path(shutil.which(program) or program)) for program in programs)


def content(*files: Path) -> str:
    """A digest of these files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def remove_unused() -> None:
    """Remove what no run of the last week has asked for."""
    for kept in (CACHE / "made").glob("*"):
        if time.time() - kept.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(kept) if kept.is_dir() else kept.unlink(missing_ok=True)


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its process."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
