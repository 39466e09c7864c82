"""What every test shares: coroutine tests run in an event loop of their own, and artefacts have one folder."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from stands.house import house_of
from stands.program import Clip, encode_clip

pytest_plugins = ["stands.secret_check", "stands.timings"]

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell starts what it runs in the background with Ctrl-C ignored, and every process that a test starts inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every worker and every service would otherwise compile all modules anew, which takes longer than most tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Debian leaves the folders of nginx, sshd and ip out of the PATH of everybody but root.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# A deadline would judge the machine; what is slow is measured in bench/.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")


SLOWEST = (
    "host/test_units.py",
    "on_air/",
    "telegram/test_session_login.py",
    "telegram/test_livestream.py",
    "web/test_pages_browser.py",
    "control/test_same_effect.py",
    "host/",
    "telegram/test_degraded_mode.py",
    "telegram/test_call.py",
    "telegram/test_telegram_outages.py",
    "web/test_web_page_browser.py",
    "feed/",
    "test_auto_session_runner.py",
    "playout/test_slate.py",
    "packaging/test_repository.py",
    "outputs/",
    "cli/",
    "doctor/",
    "ci/",
)
"""Begun first, so that none of them runs alone at the end; `make slowest` says which they are."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the slowest files to the front; a worker gets a whole file at a time."""

    def place(item: pytest.Item) -> int:
        file = item.path.relative_to(REPOSITORY / "test").as_posix()
        return next((at for at, name in enumerate(SLOWEST) if file.startswith(name)), len(SLOWEST))

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests; fixtures stay plain functions. PYTHONASYNCIODEBUG=1, of `make test-long`, checks threads too."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The folder for screenshots and records that people look at after a run; git ignores it."""
    folder = Path(os.environ.get("ARTIFACTS_DIR") or REPOSITORY / "artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def house_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Four seconds of the house format."""
    house = house_of("320x180", "-preset", "ultrafast")
    return encode_clip(tmp_path_factory.mktemp("clip"), house, seconds=4)
