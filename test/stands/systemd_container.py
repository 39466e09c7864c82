"""Debian with its real systemd, booted in a throw-away container: a host to deploy on, restart, reboot and spoil.

    with SystemdContainer("bookworm") as host:          # or "trixie"; booted, `systemctl` answers
        host.sh("systemctl start tg_video_streamer")    # as root; a failure is an AssertionError with its output
        host.path("/etc/hosts").read_text()             # the container's files, from outside
        host.push(folder, "/srv/clips"); host.pull("/opt", folder)
        host.reboot(); host.pull_the_plug()

`python -m stands.prepare` makes the root of a suite once. Where it is not there, or the machine cannot boot one,
`needs_systemd_container()` skips the test with the reason. There is no network in it but its own loopback; `host.fetch(url)` reads from there, `host.network` put before a command runs a
program of this machine in it, and a server that is made within `host.in_network()` listens there.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from stands.waiting import wait_until

_SCRIPT = Path(__file__).with_suffix(".sh")
_CONTROLLERS = [Path("/sys/fs/cgroup/unified/cgroup.procs"), Path("/sys/fs/cgroup/cgroup.procs")]
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "unshare", "tar")
_BUILD_SECONDS = 900.0
_NEW_NETWORK = 0x40000000
_numbers = itertools.count()
_FETCH = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1]), timeout=float(sys.argv[2]))
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.buffer.write(b"%d\\n" % answer.status + answer.read())
"""


class SystemdContainer:
    """One booted host; `options` are further ones of systemd-nspawn, such as --bind-ro=FOLDER:FOLDER."""

    def __init__(self, suite: str = "bookworm", *, options: Sequence[str] = ()) -> None:
        """`suite` is bookworm (Python 3.11, systemd 252) or trixie (3.13, 257)."""
        needs_systemd_container(suite)
        self.suite = suite
        self.options = tuple(options)
        self.name = f"tgvs-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> Self:
        self.create()
        try:
            self.start()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.down()

    @property
    def root(self) -> Path:
        """Its disk, seen from outside; also before the boot. What is below /run and /tmp is not on it."""
        return _base() / "run" / self.name / "root"

    def path(self, inside: str | Path) -> Path:
        """Where a file of the container is, seen from outside; links in it are not the container's own way."""
        return self.root / str(inside).lstrip("/")

    @property
    def network(self) -> list[str]:
        """Put before a command line of this machine, it runs in the container's network."""
        return ["nsenter", f"--net=/proc/{self._init()}/ns/net", "--"]

    def enter_network(self) -> None:
        """Every socket that the calling thread makes from now on is in the container's network; there is no way back."""
        with Path(f"/proc/{self._init()}/ns/net").open() as network:
            _enter_network(network.fileno())

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """What the calling thread makes a socket for in this block listens in the container's network, afterwards too."""
        with Path("/proc/thread-self/ns/net").open() as ours, Path(f"/proc/{self._init()}/ns/net").open() as theirs:
            _enter_network(theirs.fileno())
            try:
                yield
            finally:
                _enter_network(ours.fileno())

    def create(self) -> None:
        """Its disk, not booted."""
        _script("sweep")
        _script("new", self.name, self.suite, str(os.getpid()))

    def start(self) -> None:
        """Boot it; returns when systemd has started everything."""
        _script("start", self.name, *self.options)

    def stop(self) -> None:
        """Shut it down as `poweroff` does; its disk stays."""
        _script("stop", self.name)

    def reboot(self) -> None:
        """Shut down and boot again."""
        self.stop()
        self.start()

    def pull_the_plug(self) -> None:
        """Everything in it is dead at once; its disk stays, `start` boots it again."""
        _script("kill", self.name)

    def down(self) -> None:
        """Gone, with every trace."""
        _script("down", self.name)

    def sh(
        self, command: str, *, check: bool = True, text: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in it as root; with `check` a failure is an AssertionError that shows what was said."""
        ended = subprocess.run(
            self.words(command), input=text or "", capture_output=True, text=True, timeout=timeout, check=False
        )
        if check:
            assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def run(self, *words: str | Path, check: bool = True, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """The same for a command line that no shell reads."""
        return self.sh(shlex.join(str(word) for word in words), check=check, timeout=timeout)

    def popen(self, command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Begin a shell command in it; killing the process ends nsenter and not always the command: see `sh`."""
        return subprocess.Popen(self.words(command), stdin=subprocess.DEVNULL, **options)

    def fetch(self, url: str, *, timeout: float = 30.0) -> tuple[int, bytes]:
        """Status and body of an HTTP request made in it; OSError where nothing answers."""
        ended = subprocess.run(
            [str(_SCRIPT), "sh", self.name, shlex.join(["python3", "-c", _FETCH, url, str(timeout)])],
            capture_output=True,
            timeout=timeout + 20,
            check=False,
        )
        if ended.returncode:
            raise OSError(f"{url}: {ended.stderr.decode().strip().splitlines()[-1:]}")
        status, _, body = ended.stdout.partition(b"\n")
        return int(status), body

    def push(self, source: Path, target: str) -> None:
        """Copy what is in the folder `source` into the folder `target` of the container, owned by root."""
        self.sh(f"mkdir -p {shlex.quote(target)}")
        self._copy(
            ["tar", "-C", str(source), "-cf", "-", "."],
            self.words(f"exec tar -C {shlex.quote(target)} --no-same-owner --no-overwrite-dir -xf -"),
        )

    def pull(self, source: str, target: Path) -> None:
        """Copy what is in the folder `source` of the container into the folder `target`."""
        target.mkdir(parents=True, exist_ok=True)
        self._copy(self.words(f"exec tar -C {shlex.quote(source)} -cf - ."), ["tar", "-C", str(target), "-xf", "-"])

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit, as `systemctl show` prints them."""
        said = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def main_pid(self, unit: str) -> int:
        """Of a service; 0 while it does not run."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def journal(self, unit: str, *more: str) -> str:
        """What a unit has written; without times and names."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *more).stdout

    def service_status(self, *, port: int = 8080) -> dict[str, Any]:
        """The streamer's own word on its state; an empty one while nothing answers."""
        try:
            answer: dict[str, Any] = json.loads(self.fetch(f"http://127.0.0.1:{port}/status.json", timeout=3)[1])
        except (OSError, ValueError):
            return {}
        return answer

    def wait_on_air(self, *, timeout: float = 120.0, port: int = 8080) -> dict[str, Any]:
        """Until an item is on air and every output takes it; its status then."""

        def on_air() -> dict[str, Any]:
            status = self.service_status(port=port)
            return status if status.get("channel_state") == "on_air" and status["healthy"] else {}

        return wait_until(on_air, timeout=timeout, what=f"{self.name} is on air", every=0.2)

    def _init(self) -> str:
        return (_base() / "run" / self.name / "init").read_text().strip()

    def words(self, command: str) -> list[str]:
        """The command line that runs a shell command in it, for those who start it themselves (at a terminal, say)."""
        # The caller may have another HOME.
        return ["env", f"TG_TEST_SYSTEMD_DIR={_base()}", str(_SCRIPT), "sh", self.name, command]

    def _copy(self, source: list[str], target: list[str]) -> None:
        with subprocess.Popen(source, stdout=subprocess.PIPE) as packing:
            subprocess.run(target, stdin=packing.stdout, timeout=300, check=True)
        assert packing.returncode == 0, f"{source} failed"


def build(suite: str) -> str:
    """Make the root of a suite where it is not there, and boot it once for a trial; the reason why that is impossible."""
    if reason := _lacking():
        return reason
    boot = _BOOT_ID.read_text()
    if _verdict(suite).exists() and _verdict(suite).read_text() == boot:
        return ""
    try:
        _script("build", suite, timeout=_BUILD_SECONDS)
        reason = _trial(suite)
    except AssertionError as error:
        return str(error)
    _verdict(suite).write_text(boot + reason)
    return reason


@functools.cache
def why_not(suite: str = "bookworm") -> str:
    """Why no such container can be booted here; empty where it can."""
    if reason := _lacking():
        return reason
    try:
        return _verdict(suite).read_text().partition("\n")[2]
    except FileNotFoundError:
        return f"the root of Debian {suite} is not there; run: PYTHONPATH=test python -m stands.prepare"


def needs_systemd_container(suite: str = "bookworm") -> None:
    """Skip the test that asks, with the reason, where no such container can be booted."""
    if reason := why_not(suite):
        pytest.skip(reason)


def _lacking() -> str:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0:
        return "a container with systemd needs root; run: sudo make test"
    if missing:
        return f"a container with systemd needs {', '.join(missing)} (scripts/install-test-packages.sh)"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "this kernel has no overlayfs"
    if not any(path.exists() and os.access(path, os.W_OK) for path in _CONTROLLERS):
        return "this machine has no writable cgroup2"
    return ""


def _verdict(suite: str) -> Path:
    """The file with this machine's boot id, and below it the reason why `suite` cannot be booted; no reason where it can."""
    return _base() / f"root.{suite}" / ".trial"


def _trial(suite: str) -> str:
    """Boot one: what cannot be asked (rights within a container, say) is found out so."""
    name = f"tgvs-{os.getpid()}-trial"
    try:
        _script("new", name, suite, str(os.getpid()))
        _script("start", name)
    except AssertionError as error:
        return f"a container with systemd does not boot here: {error}"
    finally:
        _script("down", name)
    return ""


def _enter_network(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "the network cannot be entered")


def _base() -> Path:
    """The folder that the script keeps its roots in; the same rule as there."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TG_TEST_SYSTEMD_DIR") or Path(cache) / "tg_video_streamer" / "systemd-container")


def _script(*words: str, timeout: float = 120.0) -> None:
    ended = subprocess.run(
        [str(_SCRIPT), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, f"{' '.join(words)}: {ended.stderr.decode(errors='replace').strip()[-2000:]}"
