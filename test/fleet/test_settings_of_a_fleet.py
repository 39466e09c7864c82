"""The settings of a fleet: what is refused, and what a channel of one host does not pay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stands.ports import free_port
from tg_video_streamer.app.setting_checks import CHECKS
from tg_video_streamer.cli import main
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.fleet.address import fleet_address, parse_servers
from tg_video_streamer.settings.settings import load_settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nats://10.0.0.1, nats://localhost:4333", ("nats://10.0.0.1:4222", "nats://localhost:4333")),
        ("tls://nats.example.org", ("tls://nats.example.org:4222",)),
        ("nats://nats, nats://n.tv.svc.cluster.local", ("nats://nats:4222", "nats://n.tv.svc.cluster.local:4222")),
        ("nats://[fd00::1]:4222", ("nats://[fd00::1]:4222",)),
        ("", ()),
    ],
)
def test_servers_are_read(text: str, expected: tuple[str, ...]) -> None:
    """Commas, spaces and a usual port."""
    assert parse_servers(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nats://nats.example.org", "write tls:// before it"),
        ("nats://93.184.215.14", "write tls:// before it"),
        ("nats://local.example.org", "write tls:// before it"),
        ("nats://1572395042", "write tls:// before it"),
        ("http://10.0.0.1", "must be servers such as"),
        ("nats://10.0.0.1:x", "the port of a server cannot be read"),
        ("nats://u:CANARY@10.0.0.1", "belong into FLEET_CREDENTIALS"),
        ("nats://10.0.0.1,tls://10.0.0.2", "cannot be mixed"),
    ],
)
def test_a_place_that_would_be_unsafe_or_unreadable_is_refused(text: str, why: str) -> None:
    """Nobody's keys and commands cross the internet in the clear, and no password is repeated."""
    with pytest.raises(ConfigError, match=why) as caught:
        parse_servers(text)
    assert "CANARY" not in str(caught.value)


def test_credentials_are_a_secret() -> None:
    """User and password reach NATS, and no representation."""
    address = fleet_address("tls://a", "host:pass:word", None)
    assert (address.user, address.password, address.tls) == ("host", "pass:word", True)
    assert "word" not in repr(address)


def test_a_channel_of_a_fleet_needs_a_name(tmp_path: Path) -> None:
    """Without CHANNEL nobody knows which lease is meant."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"FLEET=nats://127.0.0.1\nSTATE_DIR={tmp_path / 'state'}\n")
    env_file.chmod(0o600)
    with pytest.raises(ConfigError, match="CHANNEL: a channel of a fleet needs a name"):
        load_settings(env_file, {"HOME": str(tmp_path)}, checks=CHECKS)


def test_a_channel_of_one_host_imports_nothing_of_a_fleet() -> None:
    """Neither NATS nor the lease is in a process without FLEET; only the reader of the setting is."""
    script = (
        "import sys, tg_video_streamer.app.build, tg_video_streamer.app.web, tg_video_streamer.cli\n"
        "print(*(name for name in sys.modules if name.split('.')[0] in ('nats', 'obstore') or '.fleet.' in name))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tg_video_streamer.fleet.address"]


def test_commands_say_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without FLEET, and with servers that do not answer, each command ends with one clear line."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"STATE_DIR={tmp_path / 'state'}\n")
    env_file.chmod(0o600)
    assert main(["fleet", "status", "--env-file", str(env_file)]) == 78
    assert "FLEET: is not set, so this channel has one host" in capsys.readouterr().err
    with env_file.open("a") as file:
        file.write(f"FLEET=nats://127.0.0.1:{free_port()}\nCHANNEL=tv\n")
    assert main(["fleet", "move", "tv", "b", "--env-file", str(env_file)]) == 1
    assert "look whether the servers in FLEET run and can be reached" in capsys.readouterr().err
