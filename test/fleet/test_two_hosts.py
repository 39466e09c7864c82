"""Two hosts of one channel: the server never has two publishers, is not long without one, and the program continues."""

from __future__ import annotations

import itertools
import re
import signal
from pathlib import Path

from stands.fleet import CHANNEL, FleetStand
from stands.numbered import Plan, make_clip
from stands.recording import Look, read_recording
from stands.service import Service
from stands.waiting import wait_until
from tg_video_streamer.asrun.entry import AsRunEntry, wall

CLIP_SECONDS = 20
RATE = 25


def _clips(folder: Path) -> list[Path]:
    """Three items, whose frames carry their numbers."""
    return [
        make_clip(folder / f"{number}.mp4", Plan(item_id=number, frames=CLIP_SECONDS * RATE)) for number in (1, 2, 3)
    ]


def _stands_by(service: Service, holder: str) -> None:
    service.wait_for(
        lambda status: status["channel_state"] == "standby" and status["fleet"]["holder"] == holder,
        what=f"a standby for {holder}",
    )


def _seconds(look: Look) -> float:
    """Where in the program a picture of an item is."""
    assert look.item_id is not None
    assert look.number is not None
    return (look.item_id - 1) * CLIP_SECONDS + look.number / RATE


def _aired(record: Path) -> list[Look]:
    """The pictures of items in a record."""
    return [look for look in read_recording(record).looks if look.item_id is not None and look.number is not None]


def _check_as_run(fleet: FleetStand) -> None:
    """The log of the host that was last on air has what each host has aired, once, without a hole but for the takeovers."""
    lines = (fleet.folder / "b" / "state" / "as-run.jsonl").read_text().splitlines()
    entries = sorted((AsRunEntry.from_line(line) for line in lines), key=lambda one: wall(one.start))
    assert len({(one.start, one.key) for one in entries}) == len(entries)
    holes = [wall(after.start) - wall(before.end) for before, after in itertools.pairwise(entries)]
    # A second is the age of what a host that was killed had saved; the rest is the wait for its lease.
    assert all(-1.0 <= hole <= 15.0 for hole in holes), holes
    assert sum(hole > 1.5 for hole in holes) <= 2, holes
    assert [one.reason for one in entries].count("killed") == 1


def test_a_channel_survives_its_host_and_moves_by_command(tmp_path: Path) -> None:
    """The standby sends nothing, takes over from a killed host, is moved away by a command, and gets the channel at a stop.

    Each time the program continues at the same place, and the server never has two publishers.
    """
    with FleetStand(tmp_path, _clips(tmp_path)) as fleet:
        first = fleet.host("a")
        first.wait_on_air()
        second = fleet.host("b")
        _stands_by(second, "a")
        status = second.status()
        assert status["healthy"]
        assert status["reason"]["text"] == "standby for a, which has the channel on air"
        assert [output["state"] for output in status["outputs"]] == ["idle"]
        assert second.page("/healthz") == (200, "ok\nstandby for a, which has the channel on air\n")
        metrics = second.metrics()
        assert 'tg_video_streamer_lease_state{state="standby"} 1.0' in metrics
        assert "tg_video_streamer_on_air" not in metrics
        given = second.command("pause")
        assert (given.returncode, given.stdout.startswith("paused")) == (0, True), given.stderr
        first.wait_for(lambda status: status["holds"] == ["pause"], what="the pause that was asked for at the standby")
        assert second.command("resume").returncode == 0
        assert re.search(r"command executed.*by=.*on b.*command=resume.*origin=fleet", first.log)
        refused = second.command("resume")
        assert (refused.returncode, "paused" in refused.stderr) == (1, True)
        assert "a" in second.page("/fleet")[1]
        first.wait_for(lambda status: status["position_seconds"] > 6, what="a few seconds of the first item")

        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        second.wait_on_air()
        first.start()
        _stands_by(first, "b")

        moved = second.command("fleet", "move", CHANNEL, "a")
        assert (moved.returncode, moved.stdout.strip()) == (0, f"{CHANNEL} is on air from a"), moved.stderr
        first.wait_on_air()
        _stands_by(second, "a")
        listed = second.command("fleet", "status").stdout
        assert "a  on air" in listed
        assert "NATS answers; hosts of tv: a, b" in second.command("doctor", "--no-notify").stdout
        assert "b  standby" in listed
        assert "tg_video_streamer_lease_takeovers_total 1.0" in first.metrics()
        first.wait_for(lambda status: status["position_seconds"] > 1, what="a second more")
        assert second.command("slate", "on").returncode == 0
        first.wait_for(lambda status: status["holds"] == ["slate"], what="the slate")
        assert first.stop() == 0
        second.wait_for(
            lambda status: (status["channel_state"], status["holds"]) == ("on_slate", ["slate"]),
            what="the slate goes on",
        )
        assert second.command("slate", "off").returncode == 0
        second.wait_on_air()
        second.wait_for(lambda status: status["position_seconds"] > 1, what="a second more")
    assert "already publishing" not in fleet.rtmp.log()
    _check_as_run(fleet)
    aired = [looks for record in fleet.rtmp.records() if (looks := _aired(record))]
    assert len(aired) == 4
    for before, after in itertools.pairwise(aired):
        assert abs(_seconds(after[0]) - _seconds(before[-1])) <= 2.5


def test_a_frozen_host_sends_nothing_after_it_wakes(tmp_path: Path) -> None:
    """A holder that was stopped, and has lost its lease meanwhile, stands by when it goes on, without a byte to the server."""
    with FleetStand(tmp_path, _clips(tmp_path)) as fleet:
        first = fleet.host("a")
        first.wait_on_air()
        second = fleet.host("b")
        _stands_by(second, "a")
        first.process.send_signal(signal.SIGSTOP)
        second.wait_on_air()
        publishers = len(fleet.rtmp.records())
        first.process.send_signal(signal.SIGCONT)
        _stands_by(first, "b")
        wait_until(lambda: second.status()["fleet"]["lease"] == "held", what="the second one keeps it")
        assert len(fleet.rtmp.records()) == publishers
        assert "already publishing" not in fleet.rtmp.log()
