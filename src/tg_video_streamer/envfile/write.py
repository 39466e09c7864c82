"""Changes keys of a `.env` file: a reader at any moment, and after any crash, finds it old or new and whole.

It imports only the standard library and modules that do so too: `telegram/session/remote_env.py` sends them to a server
that may have nothing of this installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tg_video_streamer.atomic_file import PRIVATE, Step, create_file, sync_folder
from tg_video_streamer.envfile.read import parse_env
from tg_video_streamer.errors import ConfigError, EnvFileUnchanged
from tg_video_streamer.locales.message import Message

LOCK_SECONDS = 30.0

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_READ_DIFFERENTLY = re.compile(r"""^\s|^["'#]|\s$|\\|\s\#""")
"""systemd takes backslashes for escapes, quotes at the start for quotes and lets outer blanks go; docker keeps all of it;
our own reader takes a hash behind a blank for a comment."""


def _no_message(_text: object) -> None:
    """Report to no one."""


def update_env(
    path: Path,
    changes: Mapping[str, str | None],
    *,
    wait_seconds: float = LOCK_SECONDS,
    tell: Callable[[Message], None] = _no_message,
    step: Step = _no_message,
) -> None:
    """Set keys of `path` in one write, all or none; None takes a key out, a file that is not there is made.

    Every line of another key stays byte for byte. It blocks for up to `wait_seconds` while another writer has the lock
    (`.env.lock`, by flock, in the file's real folder), and says so through `tell`: call it in a thread. A symlink stays,
    and the file behind it changes. The version before is kept as `.env.bak`. With no changes it finds out whether there
    is a way to write. Raises EnvFileUnchanged, and ConfigError for a value that cannot be written.
    """
    lines = {key: line_of(key, value) for key, value in changes.items() if value is not None}
    try:
        target = path.resolve()
        with locked(target, wait_seconds=wait_seconds, tell=tell, step=step):
            _replace(target, changes, lines, step, tell)
    except (OSError, RuntimeError) as error:  # RuntimeError: a ring of symlinks, before Python 3.13
        reason = (error.strerror if isinstance(error, OSError) else None) or Message.of("env_file.dead_link")
        raise EnvFileUnchanged.of("env_file.not_written", path=str(path), detail=reason) from None


def line_of(key: str, value: str) -> str:
    """`KEY=value` as our reader, systemd's EnvironmentFile= and docker's --env-file all read it; raises ConfigError.

    docker knows no quotes, so the only form with one meaning is the bare one, and a value that needs quotes is refused.
    """
    if not _KEY.fullmatch(key):
        raise ConfigError([f"{key!r} is no name of a setting"])
    if _UNPRINTABLE.search(value):
        raise ConfigError([f"{key}: a line end or control character cannot stand in a setting"])
    if _READ_DIFFERENTLY.search(value):
        raise ConfigError(
            [
                f"{key}: quotes, backslashes, outer blanks and ' #' are read differently by systemd and docker; leave them out"
            ]
        )
    return f"{key}={value}"


@contextmanager
def locked(
    target: Path, *, wait_seconds: float, tell: Callable[[Message], None], step: Step = _no_message
) -> Iterator[None]:
    """Hold the lock file of `target` (its links already resolved); raises EnvFileUnchanged after `wait_seconds`.

    The file stays where it is afterwards: one that is taken away could be locked by two at once.
    """
    name = target.with_name(f"{target.name}.lock")
    step("open lock")
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
    try:
        # A file of root's must not lock out the service's own user.
        if os.geteuid() == 0:
            owner = _owner(target)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        step("take lock")
        _wait_for(descriptor, name, wait_seconds, tell)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, name: Path, wait_seconds: float, tell: Callable[[Message], None]) -> None:
    """Take the lock; a blocking flock could not be given up."""
    deadline = time.monotonic() + wait_seconds
    reported = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return
        if time.monotonic() >= deadline:
            raise EnvFileUnchanged.of("env_file.locked", path=str(name), seconds=wait_seconds)
        if not reported:
            reported = True
            tell(Message.of("env_file.waiting", path=str(name), seconds=wait_seconds))
        time.sleep(0.05)


def _owner(target: Path) -> os.stat_result:
    """Of the file where there is one, else of its folder."""
    try:
        return target.stat()
    except FileNotFoundError:
        return target.parent.stat()


def _replace(
    target: Path,
    changes: Mapping[str, str | None],
    lines: Mapping[str, str],
    step: Step,
    tell: Callable[[Message], None],
) -> None:
    """Backup, then the new file over the old one; the lock is held."""
    owner = _owner(target)
    old = _content(target)
    text = changed_text((old or b"").decode("utf-8", "surrogateescape"), changes, lines)
    new = text.encode("utf-8", "surrogateescape")
    if os.geteuid() not in {0, owner.st_uid}:
        raise EnvFileUnchanged.of("env_file.other_user", path=str(target))
    if not os.access(target.parent, os.W_OK):
        raise EnvFileUnchanged.of("env_file.folder", path=str(target.parent))
    if (new == old and stat.S_IMODE(owner.st_mode) == PRIVATE) or (old is None and not new):
        return
    as_owner = owner if os.geteuid() == 0 else None
    fresh = target.with_name(f"{target.name}.new")
    create_file(fresh, new, owner=as_owner, step=step)
    try:
        if old is not None and new != old:
            backup = target.with_name(f"{target.name}.bak.new")
            create_file(backup, old, owner=as_owner, step=step)
            step("rename backup")
            backup.replace(target.with_name(f"{target.name}.bak"))
        step("rename")
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    step("sync folder")
    try:
        sync_folder(target.parent)
    except OSError as error:
        # The file is whole either way; without this a loss of power may bring the old one back.
        tell(Message.of("env_file.not_synced", detail=error.strerror or type(error).__name__))
    step("unlock")


def _content(target: Path) -> bytes | None:
    """Its content; None where there is no file."""
    try:
        with target.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise EnvFileUnchanged.of("env_file.no_file", path=str(target))
            return file.read()
    except FileNotFoundError:
        return None


def changed_text(text: str, changes: Mapping[str, str | None], lines: Mapping[str, str]) -> str:
    """`text` with the lines of the changed keys replaced by `lines`, added at the end, or taken out.

    Of several lines with one key the last one counts, for every reader: it is replaced and the others go, so that
    nothing old comes back. A comment behind a value moves to a line of its own above it, since systemd and docker would
    take it for a part of the value.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    *whole, tail = text.removeprefix(mark).split("\n")
    rows = [f"{row}\n" for row in whole] + ([tail] if tail else [])
    keys = [_key_of(row) for row in rows]
    last = {key: index for index, key in enumerate(keys) if key in changes}
    out = []
    for index, (row, key) in enumerate(zip(rows, keys, strict=True)):
        if key is None or key not in changes:
            out.append(row)
        elif last[key] == index and key in lines:
            out.append(_with_comment(row, lines[key]))
    missing = [line for key, line in lines.items() if key not in last]
    joined = mark + "".join(out)
    if missing and joined.removeprefix(mark) and not joined.endswith("\n"):
        joined += "\n"
    return joined + "".join(f"{line}\n" for line in missing)


def _key_of(row: str) -> str | None:
    """The key of a line, also where its value cannot be read: such a line is replaced too."""
    match = re.match(r"[ \t\r]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", row)
    return match[1] if match else None


def _with_comment(row: str, line: str) -> str:
    """`line` in the place of `row`, with its line end and its comment."""
    body = row.rstrip("\r\n")
    end = row[len(body) :]
    comment = _comment(body)
    above = f"{comment}{end or chr(10)}" if comment else ""
    return f"{above}{line}{end}"


def _comment(body: str) -> str:
    """The comment behind the value: what can be cut off at a hash without a change of what our reader reads."""
    values = parse_env(body).values
    hashes = (match.start() for match in re.finditer("#", body))
    return next((body[at:] for at in hashes if values and parse_env(body[:at]).values == values), "")
