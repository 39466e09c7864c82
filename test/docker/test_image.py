"""The container's files, held against the code: paths, user, command, Python, and a health check that means it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # read in tests alone, which need no types of it

from stands.ports import free_port
from stands.service import COMMAND, running

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "deploy/docker"
HEALTH_CHECK = FOLDER / "healthcheck.py"


def _instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its words."""
    text = re.sub(r"(?m)^#.*\n", "", (FOLDER / "Dockerfile").read_text()).replace("\\\n", " ")
    lines = (line.split(None, 1) for line in text.splitlines() if line.strip())
    return [(name, re.sub(r" +", " ", words)) for name, words in lines]


def _all(name: str) -> list[str]:
    return [words for instruction, words in _instructions() if instruction == name]


def _service() -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["streamer"]
    return service


def test_the_python_of_the_image_is_one_that_is_tested() -> None:
    """Both stages have the same one; pyproject.toml allows it, and CI runs it."""
    versions = {words.split()[0] for words in _all("FROM")}
    assert len(versions) == 1
    found = re.fullmatch(r"python:3\.(\d+)-slim-bookworm", versions.pop())
    assert found
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert int(found[1]) >= int(project["requires-python"].removeprefix(">=3."))
    ci = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
    assert f"3.{found[1]}" in ci["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_everything_that_is_copied_is_there_and_reaches_the_build() -> None:
    """Each path of the repository exists, and .dockerignore lets it through and nothing else."""
    sources = [source for words in _all("COPY") if not words.startswith("--from") for source in words.split()[:-1]]
    assert all((REPOSITORY / source).exists() for source in sources)
    let_through = {
        line.removeprefix("!") for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert set(sources) == let_through
    build = _service()["build"]
    assert (FOLDER / build["context"]).resolve() == REPOSITORY
    assert REPOSITORY / build["dockerfile"] == FOLDER / "Dockerfile"


def test_it_runs_as_a_user_without_rights_on_a_root_that_it_cannot_write() -> None:
    """The same number in image and compose file, no capability, and state and settings alone can be written."""
    user = _all("USER")[-1]
    number, group = user.split(":")
    assert int(number) >= 1000
    made = " ".join(_all("RUN"))
    assert f"--gid {group} tgstream" in made
    assert f"--uid {number} --gid {group}" in made
    service = _service()
    assert (service["user"], service["read_only"], service["cap_drop"]) == (user, True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    written = [volume.split(":")[1] for volume in service["volumes"] if not volume.endswith(":ro")]
    assert sorted(written) == sorted(json.loads(_all("VOLUME")[0]))
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(_all("ENV"))))
    assert environment["STATE_DIRECTORY"] in written
    assert environment["HOME"] in written
    assert environment["XDG_CACHE_HOME"].startswith("/tmp/")  # noqa: S108 - a tmpfs of its own
    assert {"privileged", "ports", "devices"} & service.keys() == set()


def test_the_command_is_one_that_the_program_takes(tmp_path: Path) -> None:
    """Entry point and command are the installed command's own, with settings from the folder that is mounted."""
    entry, command = json.loads(_all("ENTRYPOINT")[0]), json.loads(_all("CMD")[0])
    assert entry == [COMMAND.name]
    assert command[-2:] == ["--env-file", "/config/.env"]
    env_file = tmp_path / ".env"
    env_file.write_text("WEB_PORT=none\n")
    env_file.chmod(0o600)
    done = subprocess.run([COMMAND, *command[:-1], env_file], capture_output=True, text=True, timeout=120, check=False)
    # Every word was understood: it is the setting that is wrong.
    assert done.returncode == 78, done.stderr
    assert "WEB_PORT" in done.stderr


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    """Not with the least of its rules, the comments in the file included; a last user root would be found."""
    done = _hadolint(FOLDER / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    wrong = tmp_path / "Dockerfile"
    wrong.write_text((FOLDER / "Dockerfile").read_text().replace("USER 10001:10001", "USER root"))
    assert "DL3002" in _hadolint(wrong).stdout


def _hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", "--disable-ignore-pragma", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_build_is_pinned_and_clean() -> None:
    """What no linter asks for: packages by their hashes, no shell form, no download of anything else."""
    runs = _all("RUN")
    assert _all("ADD") == []
    assert "PIP_NO_CACHE_DIR=1" in " ".join(_all("ENV"))
    for words in (run for run in runs if "pip install" in run):
        for command in (part for part in words.split("&&") if "pip install" in part):
            assert re.search(r"--require-hashes -r|--no-deps wheel/|==\$YTDLP", command), command
    assert not any(re.search(r"\b(sudo|apt-get|curl|wget|cd)\b", run) for run in runs)
    assert all(words.startswith("/") for words in _all("WORKDIR"))
    assert all(words.startswith("[") for name in ("CMD", "ENTRYPOINT", "VOLUME") for words in _all(name))


@pytest.mark.long
def test_the_health_check_says_what_healthz_says(tmp_path: Path) -> None:
    """1 and the reason with no service, 0 on air; with a dead output 1 and its name."""
    check = json.loads(_all("HEALTHCHECK")[0].partition("CMD ")[2])
    assert check == ["python", f"{_all('WORKDIR')[-1]}/{HEALTH_CHECK.name}", "/config/.env"]
    settings = {"VIDEO_QUALITY": "480p", "FRAME_RATE": "25", "OUTPUTS": f"file:{tmp_path}/folder/record.mkv"}
    (tmp_path / "folder").mkdir()

    def health() -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, HEALTH_CHECK, tmp_path / ".env"], capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    (tmp_path / ".env").write_text(f"STATE_DIR={tmp_path}/state\n")
    code, said = health()
    assert code == 1
    assert "no service runs" in said
    with running(tmp_path, settings, arguments=("--demo",)) as service:
        service.wait_on_air(timeout=90)
        assert service.page("/healthz")[0] == 200
        assert health() == (0, "")
    settings["OUTPUTS"] = f"rtmp://127.0.0.1:{free_port()}/live/none"
    with running(tmp_path / "dead", settings, arguments=("--demo",)) as service:
        service.wait_for(lambda status: status["channel_state"] == "on_air", timeout=90, what="the program runs")
        (tmp_path / ".env").write_text(service.env_file.read_text())
        code, said = health()
        assert (code, service.page("/healthz")[0]) == (1, 503)
        assert said.startswith("output ")
