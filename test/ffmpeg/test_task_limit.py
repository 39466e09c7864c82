"""Few tasks: the limit is found, and feeds start few threads under it."""

from __future__ import annotations

from pathlib import Path

from tg_video_streamer.ffmpeg.task_limit import _cgroup_limits, are_scarce


def test_the_lowest_limit_of_all_groups_is_found(tmp_path: Path) -> None:
    """A limit of the unit or of any group above it counts, in both versions of control groups; `max` is none."""
    own, mounted = tmp_path / "own", tmp_path / "mounted"
    for folder, limit in (("pids/a/b", "max"), ("pids/a", "40"), ("c", "900")):
        (mounted / folder).mkdir(parents=True, exist_ok=True)
        (mounted / folder / "pids.max").write_text(f"{limit}\n")
    own.write_text("8:pids:/a/b\n7:cpu:/x\n0::/c\n")
    assert sorted(_cgroup_limits(own, mounted)) == [40.0, 900.0]
    assert _cgroup_limits(tmp_path / "missing", mounted) == []


def test_tasks_are_scarce_by_what_feeds_need() -> None:
    """Forty are few for two processors, the default of a unit is not, and no limit never is."""
    assert are_scarce(40, 2)
    assert not are_scarce(4915, 8)
    assert not are_scarce(float("inf"), 256)
