"""A whole release, every wheel in it, on each Debian and Python that is promised: from artefact to on air, and how fast."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.artefacts import make_release
from stands.deployed_host import BASE, UNIT, DeployedHost, deployed_host

# Every wheel is downloaded or built where no cache holds it.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
ON_AIR_SECONDS = 60
KINDS = {
    "bookworm, its own Python": "3.11",
    "trixie, its own Python": "3.13",
    "bookworm, a 3.12 beside its own": "3.12",
}


def _kept_by_pyenv(number: str) -> Path:
    """The folder of an interpreter of this machine, to be bound into a host."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = sorted(path for path in versions.glob(f"{number}.*") if (path / "bin" / f"python{number}").exists())
    if not found:
        pytest.skip(f"no Python {number} that could be bound in: none in {versions}")
    return found[-1]


@pytest.fixture(scope="module", params=KINDS)
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, DeployedHost]]:
    """The Python that is expected, and a server with nothing of ours on it."""
    suite, number = request.param.partition(",")[0], KINDS[request.param]
    options, setup = [], "true"
    if number == "3.12":
        # Outside of every home, which the unit's sandbox hides.
        options = [f"--bind-ro={_kept_by_pyenv(number)}:/opt/python3.12"]
        setup = "ln -s /opt/python3.12/bin/python3.12 /usr/local/bin/; echo /opt/python3.12/lib >/etc/ld.so.conf.d/p.conf; ldconfig"
    artefacts = tmp_path_factory.mktemp("dist")
    make_release(artefacts, "1.0", WHEEL_PYTHONS=number)
    with deployed_host(artefacts, tmp_path_factory.mktemp("clips"), suite=suite, light=False, options=options) as host:
        host.server.sh(setup)
        yield number, host


def test_from_artefact_to_on_air(host: tuple[str, DeployedHost]) -> None:
    """It is built with that Python, with no registry in reach, and its picture is seen; the next release takes under 60 s."""
    number, deployed = host
    deployed.install()
    server = deployed.server
    assert server.wait_on_air()["healthy"]
    version = server.sh(f"{BASE}/current/venv/bin/python --version").stdout
    assert version.startswith(f"Python {number}.")
    picture = deployed.preview_frame()
    assert picture.shape == (180, 320)
    assert picture.std() > 20
    assert re.match(r"20\d\d\.", deployed.ytdlp)

    began = time.monotonic()
    done = deployed.deploy("--version 1.1")
    took = time.monotonic() - began
    assert f"venv: with Python {number}." in done.stdout
    print(f"Python {number}: a whole release from artefact to on air in {took:.1f} s")  # noqa: T201 - the measurement
    assert server.wait_on_air()["healthy"]
    assert server.show(UNIT, "NRestarts")["NRestarts"] == "0"
    assert took < ON_AIR_SECONDS
