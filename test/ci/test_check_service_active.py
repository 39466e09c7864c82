"""The script that says whether a deployed unit is on air, against units of a real systemd that are well, dead and worse."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stands.systemd_container import SystemdContainer, needs_systemd_container
from stands.waiting import wait_until

SCRIPT = Path(__file__).resolve().parents[2] / "ci/check_service_active.sh"

SERVER = """\
import http.server, sys, threading, time
port, status, seconds = map(int, sys.argv[1:])
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(status if self.path == "/healthz" else 404)
        self.end_headers()
        self.wfile.write(b"output rtmp-1 is retrying\\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Health)
threading.Thread(target=server.serve_forever, daemon=True).start()
time.sleep(seconds)
"""
UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart={command}
Restart={restart}
RestartSec=1
"""


def _served(port: int, *, status: int = 200, seconds: int = 10_000, restart: str = "always") -> str:
    return UNIT.format(command=f"/usr/bin/python3 /opt/server.py {port} {status} {seconds}", restart=restart)


UNITS = {
    "well": _served(8080),
    "ill": _served(8081, status=503),
    "flapping": _served(8082, seconds=2),
    "hanging": _served(8083),
    "failed": UNIT.format(command="/bin/false", restart="no"),
    "never": UNIT.format(command="/bin/true", restart="no"),
    # It dies before it is active: no look at it can find it so.
    "dying": UNIT.format(command="/bin/true\nExecStartPre=/bin/false", restart="always"),
}


@pytest.fixture(scope="module")
def host() -> Iterator[SystemdContainer]:
    """A host with a unit of each kind, started; the hanging one has answered before it was stopped."""
    needs_systemd_container()
    with SystemdContainer() as container:
        for name, text in UNITS.items():
            container.path(f"/etc/systemd/system/{name}.service").write_text(text)
        container.path("/opt/server.py").write_text(SERVER)
        shutil.copy(SCRIPT, container.path("/opt/check.sh"))
        container.sh("systemctl daemon-reload")
        container.sh(f"systemctl start {' '.join(UNITS.keys() - {'never'})}", check=False)
        for port in (8080, 8081, 8083):
            wait_until(lambda port=port: _answers(container, port), what=f"port {port} answers")  # type: ignore[misc]
        container.sh("systemctl kill --signal=SIGSTOP hanging")
        yield container


def _answers(host: SystemdContainer, port: int) -> bool:
    try:
        return host.fetch(f"http://127.0.0.1:{port}/healthz")[0] > 0
    except OSError:
        return False


def _check(
    host: SystemdContainer, unit: str, *, seconds: int = 12, health: str = "none", steady: int = 2
) -> tuple[int, str]:
    done = host.sh(
        f"HEALTH_URL={health} STEADY_SECONDS={steady} runuser -u nobody --preserve-environment"
        f" -- bash /opt/check.sh {unit} {seconds}",
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_an_active_and_healthy_unit_passes_without_a_word(host: SystemdContainer) -> None:
    """Exit code 0 and silence, also for a user without rights."""
    assert _check(host, "well", seconds=30, health="http://127.0.0.1:8080/healthz") == (0, "")
    assert _check(host, "well.service", seconds=30) == (0, "")


NOT_ON_AIR = {
    ("failed", 0): "failed.service has failed (Result=exit-code)",
    ("never", 0): "never.service is not running",
    ("missing", 0): "missing.service does not exist on this host (LoadState=not-found)",
    ("dying", 0): "dying.service is activating (auto-restart, Result=exit-code)",
    ("flapping", 0): "flapping.service does not stay active: it died",
    ("flapping", 8082): "flapping.service does not stay active: it died",
    (
        "hanging",
        8083,
    ): "hanging.service is active, but its health check at http://127.0.0.1:8083/healthz does not answer",
    (
        "ill",
        8081,
    ): "ill.service is active, but its health check says 503 Service Unavailable; output rtmp-1 is retrying",
}
"""What is said of a unit; a port of 0 stands for a check that asks for no health."""


def test_a_unit_that_is_not_on_air_fails_with_the_reason(host: SystemdContainer) -> None:
    """Exit code 1 and one line, also where the unit looks active for a moment, or its process is there and hangs."""

    def check(asked: tuple[str, int]) -> tuple[int, str]:
        unit, port = asked
        # Steadier than the flapping one can be, and within the time for several of its lives.
        return _check(host, unit, health=f"http://127.0.0.1:{port}/healthz" if port else "none", steady=4)

    with ThreadPoolExecutor(len(NOT_ON_AIR)) as together:
        for asked, (code, said) in zip(NOT_ON_AIR, together.map(check, NOT_ON_AIR), strict=True):
            assert (code, said.count("\n")) == (1, 1), said
            assert said.startswith(f"check_service_active: {NOT_ON_AIR[asked]}"), said


def test_a_unit_that_is_still_starting_is_waited_for(host: SystemdContainer) -> None:
    """A start that takes its time is no failure."""
    host.path("/etc/systemd/system/slow.service").write_text(
        # Not active before its first step is over, as a Type=notify service before it is ready.
        "[Service]\nExecStartPre=/bin/sleep 3\nExecStart=/bin/sleep 1000\n"
    )
    host.sh("systemctl daemon-reload; systemctl start --no-block slow")
    assert _check(host, "slow", seconds=30) == (0, "")


@pytest.mark.parametrize("words", [("a", "b"), ("a", "0"), ("--all",), ("a", "5", "c")])
def test_wrong_usage_is_told(words: tuple[str, ...]) -> None:
    """Nothing is taken for a unit or a time that is none."""
    done = subprocess.run([str(SCRIPT), *words], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: check_service_active.sh [UNIT] [SECONDS]" in done.stderr
