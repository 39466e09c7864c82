"""Seek on one real service: what viewers got, the position after a restart, and the records."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from stands.channel import Channel, on_air
from stands.recording import slot_faults


def jumps(channel: Channel) -> list[tuple[int, int]]:
    """Every pair of following frame numbers on the record that is not one apart."""
    looks = channel.aired().recording.looks
    numbers = [look.number for look in looks if look.item_id == 5 and look.number is not None]
    return [(before, after) for before, after in pairwise(numbers) if after != before + 1]


def played(channel: Channel, least_seconds: float) -> None:
    """Until so much more is recorded: a cut is visible to viewers by then."""
    channel.wait_recorded(channel.mark() + least_seconds)


def said_seconds(text: str) -> int:
    """The time in the answer to a seek."""
    minutes, seconds = text.rpartition("continues at ")[2].strip().split(":")
    return 60 * int(minutes) + int(seconds)


def refused(channel: Channel, to: str) -> str:
    """What a seek that cannot be says."""
    done = channel.service.command("seek", to)
    assert done.returncode != 0
    return done.stderr


def test_an_item_is_moved_on_air(tmp_path: Path, media: Path) -> None:
    """Forward, back and to a time: each lands on its very frame and none is missing around it; a restart resumes there."""
    with on_air(tmp_path, media, lines=[media / "long.mp4", media / "one.mp4"], LIBRARY_MAX_GB="0") as channel:
        channel.service.wait_for(lambda status: status["position_seconds"] > 2, what="the item plays")
        said = []
        for to in ("1:00", "+20", "-30"):
            said.append(said_seconds(channel.ask("seek", to)))
            played(channel, 1.5)
        assert "beyond the end of the item, which is 2:00 long" in refused(channel, "2:00")
        assert "is not a time" in refused(channel, "soon")
        before = channel.service.status()
        assert before["position_seconds"] > said[-1]
        assert before["streams_played"] == 1
        assert [key["title"] for key in before["next_items"]][:1] == ["one"]

        found = jumps(channel)
        # What is said has whole seconds.
        assert [after // 25 for _, after in found] == said
        assert (found[0][1], said[0]) == (1500, 60)
        (_, forward, back) = ((after - before) / 25 for before, after in found)
        # The item plays on from the question to the cut.
        assert forward <= 20
        assert back <= -30
        assert slot_faults(channel.aired().recording) == []

        channel.service.stop()
        lines = [one for one in channel.as_run() if one["level"] == "item"]
        assert [one["reason"] for one in lines] == ["sought", "sought", "sought", "stopped"]
        assert [one.get("new_play") for one in lines] == [True, False, False, False]
        channel.service.start()
        channel.service.wait_on_air()
        after = channel.service.status()["position_seconds"]
        assert before["position_seconds"] <= after


def test_a_cached_item_is_moved_without_a_child(tmp_path: Path, media: Path) -> None:
    """It continues from its cached encode at the keyframe next to the time, also while it is paused."""
    kept = str(tmp_path / "kept")
    with on_air(tmp_path, media, lines=None, wait=False, LIBRARY_MAX_GB="1", LIBRARY_DIR=kept) as channel:
        channel.service.stop()
        channel.write(media / "long.mp4")
        channel.ask("library", "prepare")
        channel.service.start()
        channel.wait_now("long")
        channel.ask("pause")
        channel.ask("seek", "1:20")
        assert 79 <= channel.service.status()["position_seconds"] <= 81
        channel.ask("resume")
        channel.service.wait_for(lambda status: status["cached"], what="it plays from its cached encode")
        played(channel, 1.5)
        channel.ask("seek", "0:30")
        played(channel, 1.5)
        landed = [after for _, after in jumps(channel)]
        assert [abs(one - goal) <= 25 for one, goal in zip(landed[-2:], (2000, 750), strict=True)] == [True, True]
        assert channel.service.status()["channel_state"] == "on_air"
        assert [one["reason"] for one in channel.as_run()][-1] == "sought"
