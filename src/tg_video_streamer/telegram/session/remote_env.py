"""Writes settings of a server over ssh: whole, under the server's own lock, and never on a command line.

The far side needs Python 3.11 and nothing of ours: the modules that write settings here are sent along, through stdin,
together with what is to be written, so that both sides do exactly the same.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from tg_video_streamer import atomic_file, display_text, errors, session_errors, streamer_error
from tg_video_streamer.envfile import read, write
from tg_video_streamer.errors import EnvFileUnchanged, ToolMissing
from tg_video_streamer.ffmpeg.runner import PIPE, Child
from tg_video_streamer.locales import en, language, message
from tg_video_streamer.locales import format as locale_format
from tg_video_streamer.locales.message import Message

DEFAULT_PATH = "/opt/tg_video_streamer/shared/.env"
DEADLINE_SECONDS = 45.0
"""For all of it but the wait for the lock."""

_PACKAGE = errors.__name__.rpartition(".")[0]
_MODULES: Final[tuple[ModuleType, ...]] = (
    display_text,
    language,
    locale_format,
    en,
    message,
    streamer_error,
    session_errors,
    errors,
    atomic_file,
    read,
    write,
)
_BEGIN = f"""
import pathlib, types

def load(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(source, name, "exec"), module.__dict__)
    return module

for name, source in order["modules"]:
    last = load(name, source)
path = pathlib.Path(order["path"]).expanduser()
if path.is_dir():
    path /= ".env"
try:
    wait = order["wait_seconds"]
    last.update_env(path, order["changes"], wait_seconds=wait, tell=lambda text: print(text, file=sys.stderr, flush=True))
except sys.modules["{errors.__name__}"].StreamerError as error:
    sys.exit(str(error))
print("written")
"""
_PYTHON = 'import json,sys;order=json.load(sys.stdin);exec(order["begin"],{"sys":sys,"order":order})'
_SHELL = (
    "for python in python3 python3.13 python3.12 python3.11; do "
    '"$python" -c "import sys;sys.exit(sys.version_info<(3,11))" 2>/dev/null'
    f' && exec "$python" -I -c {shlex.quote(_PYTHON)}; done; echo "no Python 3.11 or newer is there" >&2; exit 1'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where the settings are: `path` names the file, or its folder."""

    host: str
    user: str = ""
    path: str = DEFAULT_PATH
    ssh_config: Path | None = None
    """A file for ssh's -F, where port, key and known hosts may stand."""

    @property
    def name(self) -> str:
        """As ssh takes it."""
        return f"{self.user}@{self.host}" if self.user else self.host


def ssh_command(server: Server) -> list[str]:
    """The command line; it has no secret in it."""
    words = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=10"]
    if server.ssh_config is not None:
        words += ["-F", str(server.ssh_config)]
    return [*words, "--", server.name, f"exec sh -c {shlex.quote(_SHELL)}"]


async def update_remote_env(
    server: Server,
    changes: Mapping[str, str | None],
    *,
    wait_seconds: float = write.LOCK_SECONDS,
    inform: Callable[[str], None] = lambda _text: None,
) -> None:
    """Change keys there as `envwrite.update_env` does here; without changes it tries the way. Raises EnvFileUnchanged.

    ssh must get in without asking anything: it has no terminal of its own here.
    """
    secrets = [value for value in changes.values() if value]
    lines: list[str] = []

    def on_line(line: str) -> None:
        for secret in secrets:
            line = line.replace(secret, "***")
        lines.append(line)
        inform(f"{server.host}: {line}")

    environment = {name: os.environ[name] for name in ("SSH_AUTH_SOCK", "USER", "LOGNAME") if name in os.environ}
    deadline_seconds = DEADLINE_SECONDS + wait_seconds
    try:
        async with Child.start(
            ssh_command(server),
            stdin=_order(server, changes, wait_seconds),
            stdout=PIPE,
            environment=environment,
            on_line=on_line,
            capture_bytes=65536,
        ) as child:
            code = await _ended(child, deadline_seconds)
            said = bytes(child.stdout)
            lines += [child.stderr_tail] if not lines and child.stderr_tail else []
    except ToolMissing:
        raise EnvFileUnchanged.of("env_file.no_ssh") from None
    if code == 0 and said.endswith(b"written\n"):
        return
    if lines:
        detail: str | Message = lines[-1]
    else:
        detail = Message.of("env_file.no_answer") if code is None else Message.of("env_file.ssh_ended", code=code)
    key = "env_file.not_reached" if code in {255, None} else "env_file.not_taken"
    raise EnvFileUnchanged.of(key, host=server.host, detail=detail, server=server.name)


def _order(server: Server, changes: Mapping[str, str | None], wait_seconds: float) -> bytes:
    modules = [[_PACKAGE, ""], *([one.__name__, inspect.getsource(one)] for one in _MODULES)]
    order = {"begin": _BEGIN, "modules": modules, "path": server.path}
    return json.dumps(order | {"changes": dict(changes), "wait_seconds": wait_seconds}).encode()


async def _ended(child: Child, deadline_seconds: float) -> int | None:
    """The exit code; None where the deadline came first, and the block around it kills the child."""
    try:
        async with asyncio.timeout(deadline_seconds):
            return await child.wait()
    except TimeoutError:
        return None
