"""The search for secrets in everything that tests put out: that it finds them, and names the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

_LEAKS = """
import json, logging, subprocess, sys
import pytest
from stands import secrets
from stands.service import Service
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import API_HASH, PASSWORD

@pytest.fixture(scope="module")
def session():
    with TelegramStand() as stand:
        yield stand.session_string()

def test_clean(tmp_path, session):
    print("nothing to hide")
    (tmp_path / ".env").write_text(f"SESSION_STRING={session}")
    (tmp_path / "telegram.json").write_text(session)

def test_prints(): print("hash", API_HASH)
def test_complains(): print(PASSWORD, file=sys.stderr)
def test_logs(session): logging.getLogger("x").warning("with %s", session)
def test_child(): subprocess.run([sys.executable, "-c", f"print('{API_HASH}')"])
def test_keeps(tmp_path, session):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "as-run.jsonl").write_text(json.dumps({"title": session}))
def test_service(tmp_path):
    secrets.never_shown_settings({"OUTPUTS": "hls:x rtmp://host/live/key-of-the-day srt://h:1?passphrase=word-of-srt1"})
    (tmp_path / "service.log").write_text("to key-of-the-day with word-of-srt1")
@pytest.fixture
def late():
    yield
    print(API_HASH)
def test_fixture(late): pass
def test_shown_elsewhere(): secrets.look(f"a page with {API_HASH}", "the page")
def test_last(): print("nothing again")
"""


@pytest.mark.long
def test_a_test_that_shows_a_secret_fails_by_its_name(tmp_path: Path) -> None:
    """Printed, logged, by a child, in a state file, in a fixture's end: found each time, and nowhere else."""
    (tmp_path / "test_leaks.py").write_text(_LEAKS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "stands.secret_check", "-p", "no:cacheprovider"),
            *(
                "-n",
                "1",
                "--dist",
                "loadfile",
                "--rootdir",
                str(tmp_path),
                "-c",
                os.devnull,
                str(tmp_path / "test_leaks.py"),
            ),
        ],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    failed = {line.split("::")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("ERROR ")}
    leaking = {"prints", "complains", "logs", "child", "keeps", "service", "fixture", "shown_elsewhere"}
    assert failed == {f"test_{name}" for name in leaking}, done.stdout
    assert done.returncode == 1
    assert "file service.log shows a secret (key-…, 14 characters)" in done.stdout
    assert "file service.log shows a secret (word…, 12 characters)" in done.stdout
