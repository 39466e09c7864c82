"""The real service as a child process, with settings of its own in a folder of its own, as an operator would run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from stands import secrets
from stands.made import CACHE
from stands.ports import free_port
from stands.waiting import wait_until

COMMAND = Path(sys.executable).with_name("tg-video-streamer")
"""As it is installed next to the interpreter that runs the tests."""
PREPARED = CACHE / "slates"
"""What every service would make anew: drawn slates, and which encoder options have been tried."""


def warning_texts(status: dict[str, Any]) -> list[str]:
    """The warnings of a status in English."""
    return [one["message"]["text"] for one in status["warnings"]]


@dataclass(kw_only=True)
class Service:
    """One running service; `status()` is its own word, the tests judge it by what came out."""

    folder: Path
    settings: dict[str, str]
    arguments: tuple[str, ...] = ()
    program: Sequence[Path | str] = (COMMAND,)
    """The installed command, or another interpreter's."""
    process: subprocess.Popen[bytes] = field(init=False)
    web_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)

    @property
    def env_file(self) -> Path:
        """Its settings."""
        return self.folder / ".env"

    @property
    def state_dir(self) -> Path:
        """Where it keeps its state."""
        return Path(self.settings.get("STATE_DIR", str(self.folder / "state")))

    @property
    def log(self) -> str:
        """All that it has printed."""
        return (self.folder / "service.log").read_text(errors="replace")

    def start(self) -> None:
        """Write the settings and start the process; returns at once."""
        values = {
            "STATE_DIR": str(self.state_dir),
            "WEB_PORT": str(self.web_port),
            "PROMETHEUS_PORT": str(self.metrics_port),
            # A test of sources must not be answered from the library, nor from what was downloaded ahead.
            "LIBRARY_MAX_GB": "0",
            "SPOOL_MAX_GB": "0",
            **self.settings,
        }
        secrets.never_shown_settings(values)
        self.env_file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        self.env_file.chmod(0o600)
        copy_prepared(PREPARED, self.state_dir / "cache")
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.program,
                    "run",
                    "--env-file",
                    self.env_file,
                    "--no-table",
                    *self.arguments,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def command(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """One command line of the operator's, run to its end."""
        done = subprocess.run(
            [*self.program, *words, "--env-file", self.env_file],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.folder,
            check=False,
        )
        secrets.look(done.stdout + done.stderr, f"the command {' '.join(words)}")
        return done

    def page(self, path: str, *, port: int | None = None) -> tuple[int, str]:
        """Status and body of one page of its web server, or of what listens on `port`."""
        try:
            address = f"http://127.0.0.1:{port or self.web_port}{path}"
            with urllib.request.urlopen(address, timeout=60) as answer:
                body = answer.read().decode()
                secrets.look(body, f"the page {path}")
                return answer.status, body
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> str:
        """What Prometheus reads."""
        return self.page("/metrics", port=self.metrics_port)[1]

    def status(self) -> dict[str, Any]:
        """Its own word on its state; an empty one while nothing answers."""
        try:
            answer: dict[str, Any] = json.loads(self.page("/status.json")[1])
        except (OSError, ValueError):
            return {}
        return answer

    def wait_for(self, condition: Callable[[dict[str, Any]], Any], *, timeout: float = 90.0, what: str = "") -> Any:
        """The first truthy answer of `condition` to its status."""

        def ask() -> Any:
            assert self.process.poll() is None, f"the service has ended:\n{self.log[-4000:]}"
            status = self.status()
            return status and condition(status)

        try:
            return wait_until(ask, timeout=timeout, what=what, every=0.25)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstatus: {self.status()}\nlog:\n{self.log[-6000:]}") from None

    def wait_on_air(self, *, timeout: float = 90.0) -> None:
        """Until an item is on air and every output takes it."""
        self.wait_for(
            lambda status: status["channel_state"] == "on_air" and status["healthy"], timeout=timeout, what="on air"
        )

    def children(self) -> list[psutil.Process]:
        """Its children, at every depth."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def feeds(self) -> list[psutil.Process]:
        """Its ffmpeg children that encode items."""
        return [child for child in self.children() if child.is_running() and "ffmpeg" in child.name()]

    def feeds_of(self, file: Path) -> list[psutil.Process]:
        """Those of them that encode a file."""
        return [child for child in self.feeds() if any(str(file) in word for word in command_line(child))]

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout: float = 60.0) -> int:
        """End it with a signal; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)


def command_line(process: psutil.Process) -> list[str]:
    """What `ps` shows of a process; nothing of one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def copy_prepared(source: Path, target: Path) -> None:
    """Bring what services before have made: each name holds all that its content depends on, and making takes seconds."""
    for made in (*source.glob("slate-*.card"), *source.glob("ffmpeg-args-*.works")):
        if not (target / made.name).exists():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.mkdir(exist_ok=True)
            partial = target / f"{made.name}.{os.getpid()}"
            shutil.copyfile(made, partial)
            partial.replace(target / made.name)


_QUICK = {"PREPARE_PRESET": "ultrafast"}
"""Nothing is encoded a second time to look better."""


@contextmanager
def running(
    folder: Path,
    settings: dict[str, str],
    *,
    arguments: tuple[str, ...] = (),
    command: Sequence[Path | str] | None = None,
) -> Iterator[Service]:
    """A service for as long as the block lasts; no part of it ended by itself, and no process of it is left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    service = Service(folder=folder, settings=_QUICK | settings, arguments=arguments, program=command or (COMMAND,))
    service.start()
    try:
        yield service
        # Whatever a test is about: a part that ends by itself is a defect of ours.
        assert "a part of the service" not in service.log, service.log[-6000:]
    finally:
        if service.process.poll() is None:
            service.process.send_signal(signal.SIGCONT)
            service.process.terminate()
            try:
                service.process.wait(120)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
        copy_prepared(service.state_dir / "cache", PREPARED)
        secrets.look_into(service.folder)
        if service.state_dir.is_dir():
            secrets.look_into(service.state_dir)
