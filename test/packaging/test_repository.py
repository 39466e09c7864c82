"""The repository as a newcomer finds it: one command runs it, locks are hashed, and every setting is explained."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tg_video_streamer.settings.settings import KEYS, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-fleet.txt", "requirements-dev.txt")


def _run(*command: str, folder: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess[str]:
    # Without make's own variables: a make below `make test` is one of its own.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VENV"))}
    return subprocess.run(
        command,
        cwd=folder,
        env={**clean, "ARGS": "", "PYTHON": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A fresh clone of what is committed."""
    folder = tmp_path / "clone"
    cloned = _run("git", "clone", "--quiet", str(REPOSITORY), str(folder))
    if cloned.returncode != 0:
        pytest.skip(f"this is no git repository that can be cloned: {cloned.stderr.strip()}")
    yield folder
    shutil.rmtree(folder)


# Locks


@pytest.mark.parametrize("name", LOCKS)
def test_every_pinned_package_has_hashes_and_no_lock_names_an_address(name: str) -> None:
    """What is installed is what was locked, wherever the packages come from."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "@ " not in text
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert len(requirements) > 20
    for requirement in requirements:
        first, *others = requirement.replace("\\\n", "\n").split("\n")
        assert re.fullmatch(r"[a-z0-9._-]+(?:\[[a-z,]+\])?==[\w.+!-]+(?: ; .+)?", first.strip()), first
        assert others, first
        assert all(re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}\s*", other) for other in others), first


def test_the_locks_agree_with_each_other() -> None:
    """What is tested is what runs: the development lock pins the same versions."""
    pins = [
        dict(re.findall(r"(?m)^([a-z0-9._-]+)==(\S+)", (REPOSITORY / name).read_text(encoding="utf-8")))
        for name in LOCKS
    ]
    runtime, build, fleet, development = pins
    assert runtime.items() <= build.items() <= development.items()
    assert runtime.items() <= fleet.items() <= development.items()


# Settings


def test_the_template_explains_every_key() -> None:
    """Each key stands in the template once, below a comment."""
    lines = (REPOSITORY / ".env.template").read_text(encoding="utf-8").splitlines()
    keys = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert sorted(keys) == sorted(KEYS)
    for block in "\n".join(lines).split("\n# ----")[1:]:
        previous_is_comment = False
        for line in block.splitlines()[1:]:
            if line and not line.startswith("#"):
                # Two or three keys may share an explanation; none stands without one.
                assert previous_is_comment, line
            previous_is_comment = previous_is_comment if line and not line.startswith("#") else line.startswith("#")


def test_the_template_loads_with_the_defaults_that_it_shows(tmp_path: Path) -> None:
    """A copy of it has no problem and no warning, and is the same as no setting at all."""
    path = tmp_path / ".env"
    shutil.copy(REPOSITORY / ".env.template", path)
    path.chmod(0o600)
    environment = {"HOME": str(tmp_path)}
    loaded = load_settings(path, environment)
    assert loaded.warnings == ()
    path.write_text("", encoding="utf-8")
    assert loaded.settings == load_settings(path, environment).settings


# Commands


def test_make_help_lists_every_target() -> None:
    """What can be typed is found by typing `make`."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?m)^([a-z-]+):", makefile)
    assert {"run", "setup", "test", "test-long", "check", "bench", "lock", "clean", "help"} <= set(targets)
    for command in (("make",), ("make", "help")):
        shown = _run(*command)
        assert shown.returncode == 0, shown.stderr
        assert re.findall(r"(?m)^  make ([a-z-]+) ", shown.stdout) == targets


def test_make_run_goes_on_air_with_the_demo_and_with_a_file_with_that(clone: Path) -> None:
    """Without a `.env` the demo is asked for by name; with one that is used."""
    assert _run("make", "-n", "run", folder=clone).stdout.strip().endswith("tg-video-streamer run --demo")
    (clone / ".env").touch()
    assert _run("make", "-n", "run", folder=clone).stdout.strip().endswith("tg-video-streamer run --env-file .env")


def test_setup_names_what_is_missing(clone: Path) -> None:
    """A missing interpreter is reported in one line."""
    done = _run("make", "setup", folder=clone, PYTHON="python2.9")
    assert done.returncode != 0
    assert "setup: PYTHON=python2.9 is not there or older than 3.11" in done.stderr


def test_a_missing_venv_module_is_named_where_nobody_may_install_it() -> None:
    """On a Debian without python3-venv a user reads the one command."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        shutil.copytree(REPOSITORY / "scripts", place / "scripts")
        without_venv = place / "python-without-venv"
        without_venv.write_text(
            '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac\n', encoding="utf-8"
        )
        without_venv.chmod(0o755)
        environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(without_venv)}
        done = _as_other_user([str(place / "scripts/setup.sh"), "run"], environment)
    assert done.returncode == 1
    assert done.stderr == "setup: Python's venv is missing; run: sudo apt install python3.12-venv\n"


def _as_other_user(
    command: list[str], environment: dict[str, str], script: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `command` as a user without rights."""
    return subprocess.run(
        command,
        input=script,
        env=environment,
        user="nobody" if os.geteuid() == 0 else None,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_missing_system_packages_are_named_where_nobody_may_install_them() -> None:
    """Without root and sudo the operator reads the one command."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("this host has no Debian packages")
    script = (REPOSITORY / "scripts/install-test-packages.sh").read_text(encoding="utf-8")
    # Another user cannot look into the tests' own folders.
    with TemporaryDirectory() as tools:
        Path(tools).chmod(0o755)
        for name in ("sh", "dpkg-query", "id"):
            found = shutil.which(name)
            assert found
            (Path(tools) / name).symlink_to(found)
        command = [f"{tools}/sh", "-s", "no-such-package-a", "no-such-package-b"]
        done = _as_other_user(command, {"PATH": tools}, script)
    assert done.returncode == 0
    assert "missing: no-such-package-a no-such-package-b" in done.stderr
    assert "sudo apt install no-such-package-a no-such-package-b" in done.stderr


def test_a_selection_without_a_test_is_no_success() -> None:
    """A run that proved nothing fails, and says so."""
    folder = REPOSITORY / "test/packaging"
    done = _run("scripts/test.sh", "short", VENV=sys.prefix, WORKERS="0", ARGS=f"{folder} -k no_test_is_called_this")
    assert done.returncode == 5
    assert "no test was selected" in done.stderr


def test_shell_scripts_are_clean() -> None:
    """Shellcheck finds nothing in any script."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [str(path) for folder in ("scripts", "ci") for path in (REPOSITORY / folder).glob("*.sh")]
    assert scripts
    checked = _run("shellcheck", *scripts, str(REPOSITORY / ".ci/run"))
    assert checked.returncode == 0, checked.stdout


def test_workflow_actions_are_pinned_and_have_few_rights() -> None:
    """A tag that is moved changes nothing here, and no job can write."""
    for path in (REPOSITORY / ".github/workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        uses = re.findall(r"uses: (\S+)", text)
        assert uses
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one) for one in uses)
        assert re.findall(r"(?m)^permissions:\n((?:  .+\n)+)", text) == ["  contents: read\n"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_fresh_clone_sets_itself_up_once(clone: Path) -> None:
    """`make setup` makes an environment with the command in it, and does nothing the second time."""
    first = _run("make", "setup", folder=clone, PYTHON=sys.executable)
    assert first.returncode == 0, first.stderr
    assert "installing the pinned packages" in first.stdout
    command = clone / ".venv/bin/tg-video-streamer"
    assert command.exists()
    assert _run(str(command), "--help", folder=clone).returncode == 0
    second = _run("make", "setup", folder=clone, PYTHON=sys.executable)
    assert (second.returncode, second.stdout) == (0, "")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_fresh_clone_installs_for_running_alone(clone: Path) -> None:
    """What `make run` installs suffices for the command, without what only developers need."""
    done = _run("scripts/setup.sh", "run", folder=clone)
    assert done.returncode == 0, done.stderr
    assert _run(".venv/bin/tg-video-streamer", "--help", folder=clone).returncode == 0
    assert _run(".venv/bin/python", "-c", "import pytest", folder=clone).returncode != 0
