"""What a deployment does where a shell would follow links or read wrongly: the lock, the private files, yt-dlp, health.

lock FOLDER OWNER COMMAND…   hold FOLDER/.env.lock by flock while COMMAND runs; `envwrite.py` takes the same
private FOLDER OWNER FILE=TEMPLATE…   each FILE of FOLDER is OWNER's, mode 600; one that is missing comes from TEMPLATE
carry FROM TO                a newer yt-dlp of one virtual environment is copied into another
compare BEFORE AFTER         whether a status (JSON) is no less healthy than another

It needs the standard library of any Python from 3.11 on, and nothing of the release.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LOCK_SECONDS = 60.0
PRIVATE = 0o600
PLUGINS = "yt-dlp-plugins"
PIECES = ("yt_dlp", "yt_dlp-*.dist-info", "yt_dlp_ejs", "yt_dlp_ejs-*.dist-info")


def lock(folder: str, owner: str, *command: str) -> None:
    """Become `command` with the lock held; it is let go when the last process that inherited it has ended."""
    try:
        descriptor = os.open(".env.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE, dir_fd=_opened(folder))
    except OSError as error:
        sys.exit(f"{folder}/.env.lock is no plain file ({error.strerror}); remove it")
    if os.geteuid() == 0:
        user = pwd.getpwnam(owner)
        os.fchown(descriptor, user.pw_uid, user.pw_gid)
    deadline = time.monotonic() + LOCK_SECONDS
    reported = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit(f"another deployment or session renewal holds {folder}/.env.lock; try again when it has ended")
        if not reported:
            reported = True
            _say("waiting for another deployment or session renewal")
        time.sleep(0.1)
    os.set_inheritable(descriptor, True)  # noqa: FBT003 - the interface of os
    os.execve(command[0], list(command), {**os.environ, "TG_LOCK_HELD": str(descriptor)})  # noqa: S606 - no shell wanted


def private(folder: str, owner: str, *files: str) -> None:
    """Make each FILE=TEMPLATE a regular file of `owner` with mode 600, by a rename, so no one sees it otherwise."""
    directory = _opened(folder)
    user = pwd.getpwnam(owner)
    for pair in files:
        name, template = pair.split("=", 1)
        try:
            content = _content_to_mend(directory, f"{folder}/{name}", name, user)
        except FileNotFoundError:
            content = Path(template).read_bytes() if template else b""
            _say(f"{folder}/{name} is new")
        else:
            if content is None:
                continue
            _say(f"{folder}/{name} is now {owner}'s, mode 600")
        _replace(directory, name, content, user)


def _content_to_mend(directory: int, shown: str, name: str, user: pwd.struct_passwd) -> bytes | None:
    """What is to be written again; None where owner and mode are right already. Raises FileNotFoundError."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as error:
        sys.exit(f"{shown} is no plain file ({error.strerror}); put one there")
    with os.fdopen(descriptor, "rb") as file:
        now = os.fstat(descriptor)
        # A second name could belong to a file of somebody else's that was linked here to be read.
        if not stat.S_ISREG(now.st_mode) or now.st_nlink != 1 or now.st_uid not in {0, user.pw_uid, os.geteuid()}:
            sys.exit(f"{shown} is no plain file of root or {user.pw_name}; put one there")
        right = stat.S_IMODE(now.st_mode) == PRIVATE and (now.st_uid, now.st_gid) == (user.pw_uid, user.pw_gid)
        return None if right else file.read()


def _replace(directory: int, name: str, content: bytes, user: pwd.struct_passwd) -> None:
    fresh = f".{name}.deploy"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(fresh, flags, PRIVATE, dir_fd=directory), "wb") as file:
        os.fchmod(file.fileno(), PRIVATE)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), user.pw_uid, user.pw_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _opened(folder: str) -> int:
    """The folder itself, never what a link of its name leads to."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def carry(source: str, target: str) -> None:
    """Where `source` has the newer yt-dlp, put it into `target`; what does not start there is taken back. So for plugins."""
    _carry_plugins(Path(source), Path(target))
    theirs, ours = _packages(source), _packages(target)
    kept = ours / ".before-carry"
    _recover(ours, kept)
    newer, older = _version(theirs), _version(ours)
    if not newer or _number(newer) <= _number(older):
        return
    _keep(ours, kept)
    for piece in _pieces(theirs):
        shutil.copytree(piece, ours / piece.name)
    tried = subprocess.run(
        [f"{target}/bin/python", "-I", "-m", "yt_dlp", "--ignore-config", "--version"], capture_output=True, check=False
    )
    if tried.returncode == 0:
        _keep_no_longer(kept)
        _say(f"{newer} of the release before is carried along; this one came with {older}")
    else:
        _recover(ours, kept)
        _say(f"{newer} of the release before does not start here; {older} stays")


def _carry_plugins(source: Path, target: Path) -> None:
    """Copy the plugins of yt-dlp, which no release brings, where `target` has none."""
    wheels, carried = source / PLUGINS, target / PLUGINS
    if not wheels.is_dir() or carried.exists():
        return
    making = target / f".{PLUGINS}"
    shutil.rmtree(making, ignore_errors=True)
    shutil.copytree(wheels, making)
    making.rename(carried)
    _say(f"plugins of the release before are carried along: {', '.join(sorted(one.name for one in carried.iterdir()))}")


def _keep(packages: Path, kept: Path) -> None:
    """Move yt-dlp into `kept`, whose name says that all of it is in there."""
    making = _making(kept)
    making.mkdir()
    for piece in _pieces(packages):
        piece.rename(making / piece.name)
    making.rename(kept)


def _recover(packages: Path, kept: Path) -> None:
    """Put back what was kept, however far a carrying that was cut short had come."""
    shutil.rmtree(_gone(kept), ignore_errors=True)
    if kept.exists():
        for piece in _pieces(packages):
            shutil.rmtree(piece)
        kept.rename(_making(kept))
    if _making(kept).exists():
        for piece in _pieces(_making(kept)):
            piece.rename(packages / piece.name)
        shutil.rmtree(_making(kept))


def _keep_no_longer(kept: Path) -> None:
    """Renamed first: half of it must never be put back."""
    kept.rename(_gone(kept))
    shutil.rmtree(_gone(kept))


def _gone(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.gone")


def _making(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.making")


def _packages(environment: str) -> Path:
    found = sorted(Path(environment).glob("lib/python3.*/site-packages"))
    if not found:
        sys.exit(f"{environment} is no virtual environment")
    return found[0]


def _pieces(packages: Path) -> list[Path]:
    return [path for pattern in PIECES for path in packages.glob(pattern)]


def _version(packages: Path) -> str:
    found = (
        path.name.removeprefix("yt_dlp-").removesuffix(".dist-info") for path in packages.glob("yt_dlp-*.dist-info")
    )
    return next(found, "")


def _number(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def compare(before_text: str, after_text: str) -> None:
    """End with 1 and a reason where the channel is worse off than before; what was down before may stay down."""
    before, after = _status(before_text), _status(after_text)
    if not after:
        sys.exit("the service does not answer")
    if after["channel_state"] in {"starting", "stopping"}:
        sys.exit(f"the channel is {after['channel_state']}")
    # Earlier versions, after a rollback, have texts in place of messages with keys.
    if any("health.standstill" in str(problem) or "stood still" in str(problem) for problem in after["problems"]):
        sys.exit("the program does not advance")
    if before.get("channel_state") == "on_air" and after["channel_state"] != "on_air":
        reason = after["reason"]["text"] if isinstance(after["reason"], dict) else after["reason"]
        sys.exit(f"the channel is {after['channel_state']} ({reason}), and was on air before")
    now = {output["name"]: output["state"] for output in after["outputs"]}
    for output in before.get("outputs", []):
        if output["state"] == "on_air" and now.get(output["name"], "on_air") != "on_air":
            sys.exit(f"output {output['name']} is {now[output['name']]}, and was on air before")


def _status(text: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError:
        return {}
    return answer


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its voice


VERBS: dict[str, Callable[..., None]] = {"lock": lock, "private": private, "carry": carry, "compare": compare}

if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in VERBS:
        sys.exit(__doc__)
    # Messages go to stdout where they are read as a reason, and are errors all the same.
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stdout if sys.argv[1] == "compare" else sys.stderr)
            sys.exit(1)
        raise
