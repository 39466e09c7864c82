"""Values of `.env` that systemd or docker would read differently: found, and reported by key and line without the value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.service import Service
from tg_video_streamer.envfile.compat import docker_values, read_differently, systemd_values
from tg_video_streamer.envfile.read import parse_env
from tg_video_streamer.envfile.write import line_of
from tg_video_streamer.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "systemd", "docker"),
    [
        ("KEY=plain", True, True),
        ("KEY=", True, True),
        ("KEY=a b=c", True, True),
        ("# KEY=x", True, True),
        ("KEY='quoted'", True, False),
        ('KEY="quoted"', True, False),
        ("KEY=value # comment", False, False),
        ("KEY= value", True, False),
        ("KEY=back\\hunter", False, True),
        ("export KEY=value", False, False),
        ("KEY = value", True, False),
        ("KEY=a\r", True, True),
    ],
)
def test_a_value_with_two_meanings_is_found(line: str, systemd: bool, docker: bool) -> None:  # noqa: FBT001 - a table
    """Each reader that differs is named, with the key and its line."""
    found = read_differently(f"\n{line}\n", ["KEY"])
    assert bool(found) is not (systemd and docker)
    assert any("systemd" in one for one in found) is not systemd
    assert any("docker" in one for one in found) is not docker
    assert all(".env, line 2: KEY " in one and "hunter" not in one for one in found)


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_we_write_ourselves_has_one_meaning(value: str) -> None:
    """A value that our own writer accepts is the same for all three readers."""
    try:
        line = line_of("KEY", value)
    except ConfigError:
        return
    assert read_differently(line, ["KEY"]) == []
    assert parse_env(line).values["KEY"] == systemd_values(line)["KEY"] == docker_values(line)["KEY"] == value


@given(st.text())
def test_no_text_breaks_a_reader(text: str) -> None:
    """Whatever a file holds, there is an answer."""
    read_differently(text, ["A"])
    assert all(key for key in systemd_values(text))


def test_check_warns_and_still_passes(tmp_path: Path) -> None:
    """`check` tells such a value on stderr; it is no reason not to start."""
    (tmp_path / "playlist.txt").write_text("https://example.invalid/video\n")
    service = Service(folder=tmp_path, settings={})
    service.env_file.write_text(f"STATE_DIR={tmp_path}/state\nSLATE_TEXT='be right back'\n")
    service.env_file.chmod(0o600)
    said = service.command("check", timeout=120)
    assert said.returncode == 0, said.stderr
    assert "line 2: SLATE_TEXT is read differently by docker's --env-file" in said.stderr
    assert "be right back" not in said.stderr
