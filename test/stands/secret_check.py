"""A pytest plugin: a test whose output shows a secret that a stand named fails, whatever it asserts.

Searched after each test: its captured stdout, stderr and log lines, the readable files in its `tmp_path`, and what stands
gave to `secrets.look` meanwhile (terminals, pages, command output, the folder of a service).
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from stands import secrets

_module = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Secrets that were made for another module are of no interest in this one."""
    session = item.session
    if session.stash.get(_module, None) != item.path:
        session.stash[_module] = item.path
        secrets.new_module()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Search when all of a test is over, its fixtures included."""
    report = yield
    if report.when != "teardown":
        return report
    for title, text in report.sections:
        secrets.look(text, title)
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None and folder.is_dir():
        secrets.look_into(folder)
    if (findings := secrets.taken_findings()) and report.passed:
        report.outcome = "failed"
        report.longrepr = "\n".join(findings)
    return report
