"""What should be the same on all hosts of a channel is compared, and no secret leaves its host."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tg_video_streamer.app.fleet_facts import fleet_facts, setting_facts
from tg_video_streamer.fleet.hosts import Difference, HostReport, differences
from tg_video_streamer.settings.settings import Settings, load_settings


def _report(host: str, *, channel: str = "tv", version: str = "1", **facts: str) -> HostReport:
    return HostReport(channel=channel, host=host, role="standby", state="standby", version=version, facts=facts)


def test_what_differs_is_named_with_its_hosts() -> None:
    """Another version, another file, and a setting that only one host has; other channels do not count."""
    hosts = [
        _report("a", playlist="1", FIT="x"),
        _report("b", playlist="2", version="2"),
        _report("c", channel="radio"),
    ]
    assert differences(hosts, "tv") == [
        Difference(name="FIT", facts={"a": "x"}),
        Difference(name="playlist", facts={"a": "1", "b": "2"}),
        Difference(name="version", facts={"a": "1", "b": "2"}),
    ]
    assert differences(hosts[:1], "tv") == differences([_report("a"), _report("b")], "tv") == []


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a secret, a setting of this host, and one of the channel."""
    return load_settings(
        None,
        {
            "HOME": str(tmp_path),
            "PLAYLIST": str(tmp_path / "playlist.txt"),
            "SCHEDULE": str(tmp_path / "schedule.toml"),
            "STATE_DIR": str(tmp_path / "state"),
            "OUTPUTS": "rtmps://live.invalid/app/CANARYkey",
            "HOST_NAME": "CANARYhost",
            "FIT": "blur",
        },
    ).settings


async def test_facts_of_a_host_hold_no_secret_and_follow_the_files(settings: Settings) -> None:
    """Digests change with the content; of a secret only that it is set is said."""
    settings.playlist.write_text("a.mp4\n")
    before = await fleet_facts(settings)
    assert before["OUTPUTS"] == "set"
    assert before["schedule"] == "missing"
    assert "CANARY" not in json.dumps(before)
    assert not {"HOST_NAME", "STATE_DIR"} & before.keys()
    settings.playlist.write_text("b.mp4\n")
    after = await fleet_facts(settings)
    assert {name for name in before if before[name] != after[name]} == {"playlist"}
    changed = settings.model_copy(update={"fit": "crop"})
    assert setting_facts(changed)["FIT"] != before["FIT"]


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"channel": "a"}', b"\xff"])
def test_what_is_no_report_is_refused(value: bytes) -> None:
    """Whatever stands in the bucket is a report or a clear error; one of an earlier version is a report."""
    with pytest.raises(ValueError, match=r".*"):
        HostReport.decode(value)
    whole = asdict(_report("a", playlist="1"))
    assert HostReport.decode(json.dumps(whole).encode()) == _report("a", playlist="1")
    earlier = {name: whole[name] for name in ("channel", "host", "role", "state", "version")}
    assert HostReport.decode(json.dumps(earlier).encode()) == _report("a")
