"""The one command that a deploy account may run as root: it installs what the signing key has signed, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "deploy/sudoers.d"
RELEASE = 'echo "$@" >"{calls}"; cd "$(dirname "$2")"; sha256sum --check --quiet "$(basename "$2").sha256"; cp "$2" "{copy}"\n'
"""A deploy script that tells how it was called, and keeps what it was given once that is whole."""


@dataclass
class Host:
    """A folder that stands for the host's own; the wrapper in it is the real one but for two paths."""

    folder: Path

    def key(self, name: str) -> Path:
        """A key pair; its private half."""
        path = self.folder / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path

    @property
    def signers(self) -> Path:
        """Whose signature counts."""
        return self.folder / "allowed_signers"

    @property
    def calls(self) -> Path:
        """The words that the release's deploy script was called with."""
        return self.folder / "calls"

    @property
    def deployed(self) -> Path:
        """The artefact that it was given."""
        return self.folder / "deployed"

    def artifact(self, version: str) -> bytes:
        """A release as `make release` lays it out."""
        script = RELEASE.format(calls=self.calls, copy=self.deployed).encode()
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in (("VERSION", f"{version}\n".encode()), ("scripts/remote_deploy.sh", script)):
                member = tarfile.TarInfo(f"tg_video_streamer-{version}/{name}")
                member.size = len(content)
                archive.addfile(member, BytesIO(content))
        return packed.getvalue()

    def sign(self, artifact: bytes, *, key: str = "right", namespace: str = "tg_video_streamer") -> bytes:
        """The signature of it."""
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.key(key)), "-n", namespace]
        return subprocess.run(command, input=artifact, capture_output=True, check=True).stdout

    def run(self, *words: str, sent: bytes = b"") -> tuple[int, str]:
        """Exit code and error of the wrapper."""
        wrapper = self.folder / "wrapper"
        text = (FOLDER / "tg_video_streamer-deploy").read_text()
        for ours, theirs in (
            ("/etc/tg_video_streamer/allowed_signers\n", f"{self.signers}\n"),
            ("base=/opt/tg_video_streamer\n", f"base={self.folder}\n"),
        ):
            assert text.count(ours) == 1
            text = text.replace(ours, theirs)
        wrapper.write_text(text)
        done = subprocess.run(["bash", wrapper, *words], input=sent, capture_output=True, timeout=120, check=False)
        return done.returncode, done.stderr.decode()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that trusts one key."""
    if os.geteuid() != 0:
        pytest.skip("the wrapper is for root alone")
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed; scripts/install-test-packages.sh does it")
    host = Host(tmp_path)
    host.key("right")
    public = (tmp_path / "right.pub").read_text()
    host.signers.write_text(f'deploy namespaces="tg_video_streamer" {public}')
    host.signers.chmod(0o644)
    return host


def test_a_signed_release_is_deployed_by_its_own_script(host: Host) -> None:
    """The deploy script of the artefact gets the very artefact with its checksum, and restarts nothing."""
    artifact = host.artifact("1.2.3")
    assert host.run("install", "1.2.3", sent=host.sign(artifact) + artifact) == (0, "")
    words = host.calls.read_text().split()
    assert words[0] == "--artifact"
    assert words[2:] == ["--version", "1.2.3", "--no-restart"]
    assert host.deployed.read_bytes() == artifact
    # Nothing of it stays in the folder that it was received in.
    assert not Path(words[1]).parent.exists()


@pytest.mark.parametrize(
    "fault", ["other key", "other purpose", "changed", "unsigned", "empty", "renamed", "other signer"]
)
def test_what_is_not_signed_is_not_run(host: Host, fault: str) -> None:
    """Neither another's key, nor a signature for something else, nor a changed, old or unsigned artefact gets through."""
    artifact = host.artifact("1.2.3")
    signature = host.sign(artifact)
    version = "1.2.3"
    match fault:
        case "other key":
            signature = host.sign(artifact, key="wrong")
        case "other purpose":
            signature = host.sign(artifact, namespace="file")
        case "changed":
            artifact = host.artifact("1.2.3") + b"\0"
        case "unsigned":
            signature = b""
        case "empty":
            signature = artifact = b""
        case "renamed":
            version = "1.2.4"
        case _:
            host.signers.write_text(host.signers.read_text().replace("deploy ", "somebody "))
    code, said = host.run("install", version, sent=signature + artifact)
    assert code == 1
    assert said.startswith("tg_video_streamer-deploy: ")
    assert not host.calls.exists()


def test_signers_that_others_can_write_are_not_believed(host: Host) -> None:
    """A user who can write that file could sign."""
    artifact = host.artifact("1.2.3")
    host.signers.chmod(0o664)
    code, said = host.run("install", "1.2.3", sent=host.sign(artifact) + artifact)
    assert (code, host.calls.exists()) == (1, False)
    assert "can be written by others than root" in said


@pytest.mark.parametrize(
    "words",
    [(), ("shell",), ("install",), ("install", "../1"), ("install", "-x"), ("install", "1", "2"), ("rollback", "a/b")],
)
def test_other_words_are_refused(host: Host, words: tuple[str, ...]) -> None:
    """Nothing but the three verbs, and no version that is a path or an option."""
    code, said = host.run(*words)
    assert code == 2
    assert said.startswith("tg_video_streamer-deploy: ")


def test_rollback_is_that_of_the_running_release(host: Host) -> None:
    """With the version that was asked for, or none."""
    scripts = host.folder / "current/scripts"
    scripts.mkdir(parents=True)
    (scripts / "rollback.sh").write_text(f'echo "rollback:$*" >"{host.calls}"\n')
    assert host.run("rollback") == (0, "")
    assert host.calls.read_text() == "rollback:\n"
    assert host.run("rollback", "1.2.2") == (0, "")
    assert host.calls.read_text() == "rollback:1.2.2\n"


def test_the_sudoers_example_allows_the_restart_and_the_wrapper_alone() -> None:
    """One account, two commands, no wildcard; and sudo's own parser takes it."""
    path = FOLDER / "tg_video_streamer"
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "Defaults"))]
    allowed = "/usr/bin/systemctl restart tg_video_streamer, /usr/local/sbin/tg_video_streamer-deploy"
    assert lines == [f"deploy ALL=(root:root) NOPASSWD: {allowed}"]
    if (visudo := shutil.which("visudo", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        pytest.skip("sudo is not installed; scripts/install-test-packages.sh does it")
    done = subprocess.run([visudo, "-c", "-f", path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
