"""The workflows: right in form, their scripts clean, and the restart's step the same wherever it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # read in tests alone, which need no types of it

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
SNIPPET = REPOSITORY / ".github/workflows/snippets/restart-tg_video_streamer-step.yml"
DEPLOY = REPOSITORY / ".github/workflows/deploy-restart.yml"
CONTEXTS = {"github", "matrix", "steps", "vars", "secrets", "env", "runner"}


def _jobs(path: Path) -> list[dict[str, Any]]:
    # No BaseLoader: YAML 1.1 takes `on` for a boolean, which is of no concern here.
    return list(yaml.safe_load(path.read_text())["jobs"].values())


def _scripts() -> list[tuple[str, str]]:
    """Each step's script by where it stands; expressions are taken for words."""
    found = [
        (f"{path.name}: {step.get('name', step['run'])}", step["run"])
        for path in WORKFLOWS
        for job in _jobs(path)
        for step in job["steps"]
        if "run" in step
    ]
    return [(where, re.sub(r"\$\{\{.*?\}\}", "WORD", script)) for where, script in found]


def test_every_job_is_bounded_and_every_step_is_one() -> None:
    """A job says where it runs and when it is given up; a step runs something or uses something, not both."""
    for path in WORKFLOWS:
        for job in _jobs(path):
            assert {"runs-on", "timeout-minutes", "steps"} <= job.keys()
            assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_expressions_stand_outside_of_scripts() -> None:
    """What comes from outside reaches a script as a variable only, and each name in it is one that exists."""
    for path in WORKFLOWS:
        ids = {step["id"] for job in _jobs(path) for step in job["steps"] if "id" in step}
        for job in _jobs(path):
            assert all("${{" not in step.get("run", "") for step in job["steps"])
        for expression in re.findall(r"\$\{\{ *(.*?) *\}\}", path.read_text()):
            context, *rest = expression.split(".")
            assert context in CONTEXTS
            assert context != "steps" or rest[0] in ids


def test_scripts_of_steps_are_clean() -> None:
    """Shellcheck finds nothing in them."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed; scripts/install-test-packages.sh does it")
    for where, script in _scripts():
        done = subprocess.run(
            ["shellcheck", "--shell=bash", "-"], input=script, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{where}:\n{done.stdout}"


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """GitHub would take the workflows as they are; a name that no expression has would be found."""
    done = _actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(DEPLOY.read_text().replace("steps.before.outputs", "steps.after.outputs"))
    done = _actionlint(wrong)
    assert done.returncode == 1
    assert '"after" is not defined' in done.stdout


def _actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("actionlint")), "-no-color", *map(str, files)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def test_the_snippet_is_the_step_of_the_workflow() -> None:
    """The step alone uses what this repository uses; it differs in what was found out before."""
    (step,) = yaml.safe_load(SNIPPET.read_text())
    (job,) = _jobs(DEPLOY)
    ours = job["steps"][-1]
    assert step.pop("env").keys() == ours.pop("env").keys()
    assert step == ours


def test_two_deploys_never_run_at_once() -> None:
    """The second waits; the first is not broken off."""
    assert yaml.safe_load(DEPLOY.read_text())["concurrency"] == {
        "group": "deploy-production",
        "cancel-in-progress": False,
    }


@pytest.mark.parametrize("fault", ["", "restart", "check"])
def test_the_restart_step_puts_the_release_before_back(tmp_path: Path, fault: str) -> None:
    """The step fails with the state and the last log lines after a rollback, and only then."""
    (step,) = yaml.safe_load(SNIPPET.read_text())
    # The far end of ssh is all that is not there: what it is asked to do is written down, and fails as configured.
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/bash\ncat >/dev/null </dev/stdin\necho "$*" >>{tmp_path}/asked\n'
        f'case "{fault}:$*" in restart:*systemctl*|check:*"bash -s"*) exit 1;; esac\n'
    )
    ssh.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", step["run"]],
        cwd=REPOSITORY,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOST": "deploy@host", **step["env"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "deploy@host sudo -n /usr/bin/systemctl restart tg_video_streamer"
    wrapper = "deploy@host sudo -n /usr/local/sbin/tg_video_streamer-deploy"
    if fault:
        assert asked[-2:] == [f"{wrapper} status", f"{wrapper} rollback"]
    else:
        assert asked[1:] == ["deploy@host  bash -s tg_video_streamer 60"]
    assert done.returncode == (1 if fault else 0), done.stderr
