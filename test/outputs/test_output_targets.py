"""The setting OUTPUTS: every target understood, every bad one named at once, and no secret shown."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.outputs.target import OutputKind, parse_outputs


def test_all_kinds_in_order() -> None:
    """Each kind is recognised, and numbered within its kind."""
    text = 'telegram rtmps://dc4-1.rtmp.t.me/s/k  rtmp://a/live/k srt://b:9000?x=1 hls:/srv/live "file:/rec/my show.mkv?max_gb=0.5"'
    telegram, *targets = parse_outputs(text)
    assert (telegram.name, telegram.kind) == ("telegram-1", OutputKind.TELEGRAM)
    assert [one.name for one in targets] == ["rtmp-1", "rtmp-2", "srt-1", "hls-1", "file-1"]
    assert [one.kind for one in targets[1:]] == [OutputKind.RTMP, OutputKind.SRT, OutputKind.HLS, OutputKind.FILE]
    assert targets[0].rtmp is not None
    assert targets[0].rtmp.key == "k"
    assert targets[2].srt_url == "srt://b:9000?x=1"
    assert targets[3].path == Path("/srv/live")
    assert (targets[4].path, targets[4].quota_bytes) == (Path("/rec/my show.mkv"), 500_000_000)
    assert parse_outputs("  ") == ()


def test_every_problem_at_once() -> None:
    """One line for each bad target, by its place, with none of its secrets."""
    text = (
        "rtmp://a/live/Secret1 telegrams rtmp://a/Secret2 http://Secret3 srt://b hls: file:x.avi file:x.ts?Secret=1 "
        "rtmp://a/live/Secret1"
    )
    with pytest.raises(ConfigError) as caught:
        parse_outputs(text)
    problems = caught.value.problems
    assert [line.split(":")[1].strip() for line in problems] == [f"output {number}" for number in range(2, 10)]
    assert all(line.startswith("OUTPUTS: ") for line in problems)
    assert "twice" in problems[-1]
    assert not [line for line in problems if "Secret1" in line or "Secret2" in line or "Secret3" in line]


def test_secrets_are_not_in_repr() -> None:
    """Neither stream keys nor SRT passphrases are in what a log would print."""
    shown = repr(parse_outputs("rtmp://a/live/Hidden?Hidden srt://b:1?passphrase=Hidden"))
    assert "Hidden" not in shown
    assert "rtmp-1" in shown


@given(
    st.lists(st.sampled_from(["rtmp:", "//", "a", "/", "srt:", "hls:", "file:", ".mkv", '"', " ", "?", "max_gb=", "1"]))
)
def test_any_text_is_targets_or_problems(pieces: list[str]) -> None:
    """Whatever stands there is understood or refused with ConfigError."""
    with contextlib.suppress(ConfigError):
        targets = parse_outputs("".join(pieces))
        assert len({one.name for one in targets}) == len(targets)
