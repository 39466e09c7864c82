"""Two hosts of one channel: the server never has two publishers, and is not long without one."""

from __future__ import annotations

import signal
from pathlib import Path

from stands.fleet import CHANNEL, FleetStand
from stands.service import Service
from stands.waiting import wait_until


def _role(service: Service) -> str:
    return str(service.status()["fleet"]["lease"])


def test_a_channel_survives_its_host_and_moves_by_command(tmp_path: Path) -> None:
    """The standby sends nothing, takes over from a killed host, and a command moves the channel back; one publisher at a time."""
    with FleetStand(tmp_path) as fleet:
        first = fleet.host("a")
        first.wait_on_air()
        second = fleet.host("b")
        second.wait_for(lambda status: status["fleet"]["holder"] == "a", what="a standby for a")
        status = second.status()
        assert (status["healthy"], status["channel_state"]) == (True, "standby")
        assert [output["state"] for output in status["outputs"]] == ["idle"]
        assert second.page("/healthz")[0] == 200

        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        second.wait_on_air()
        first.start()
        first.wait_for(lambda status: status["channel_state"] == "standby", what="the first one stands by")
        assert _role(second) == "held"

        moved = second.command("fleet", "move", CHANNEL, "a")
        assert (moved.returncode, moved.stdout.strip()) == (0, f"{CHANNEL} is on air from a"), moved.stderr
        first.wait_on_air()
        second.wait_for(lambda status: status["channel_state"] == "standby", what="the second one stands by")
        listed = second.command("fleet", "status").stdout
        assert "a  on air" in listed
        assert "b  standby" in listed
        assert first.stop() == 0
        second.wait_on_air()
    assert len(fleet.rtmp.records()) >= 4
    assert "already publishing" not in fleet.rtmp.log()


def test_a_frozen_host_sends_nothing_after_it_wakes(tmp_path: Path) -> None:
    """A holder that was stopped, and has lost its lease meanwhile, stands by when it goes on, without a byte to the server."""
    with FleetStand(tmp_path) as fleet:
        first = fleet.host("a")
        first.wait_on_air()
        second = fleet.host("b")
        second.wait_for(lambda status: status["channel_state"] == "standby", what="a standby")
        first.process.send_signal(signal.SIGSTOP)
        second.wait_on_air()
        publishers = len(fleet.rtmp.records())
        first.process.send_signal(signal.SIGCONT)
        first.wait_for(lambda status: status["channel_state"] == "standby", what="the frozen one stands by")
        wait_until(lambda: _role(second) == "held", what="the second one keeps it")
        assert len(fleet.rtmp.records()) == publishers
        assert "already publishing" not in fleet.rtmp.log()
