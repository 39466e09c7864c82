"""Live items on air: a backup while the feed is away, the end by the clock, and a feed that is a little too slow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stands.begins_again import BeginsAgain
from stands.channel import on_air
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip
from stands.ports import free_port
from stands.radio import Radio
from stands.sender import sending
from stands.waiting import wait_until

ENCODER = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p")
KEY = "studio-key-123456"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feed of half a minute, a backup and an item after it."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "feed.mp4", Plan(item_id=1, frames=750, encoder=ENCODER))
    make_clip(folder / "backup.mp4", Plan(item_id=2, frames=150, encoder=ENCODER))
    make_clip(folder / "clip.ts", Plan(item_id=5, frames=100, encoder=ENCODER, audio_encoder=("-c:a", "mp2")))
    make_clip(folder / "after.mp4", Plan(item_id=3, frames=750, encoder=ENCODER))
    return folder


def test_a_backup_plays_while_the_feed_is_away(clips: Path, tmp_path: Path) -> None:
    """The backup is on air until the feed comes, again after it broke off, and the next item after the feed's time."""
    line = "title=Studio | for=40s | backup=backup.mp4"
    with NginxRtmp(tmp_path / "studio") as studio:
        source = studio.url(KEY)
        with on_air(
            tmp_path / "channel",
            clips,
            lines=[f"{source} | {line.replace('backup.mp4', str(clips / 'backup.mp4'))}", clips / "after.mp4"],
            wait=False,
            BUFFER_SECONDS="5",
        ) as channel:
            channel.wait_state("on_backup")
            with sending(clips / "feed.mp4", source, "flv"):
                channel.wait_now("Studio")
                channel.wait_recorded(channel.mark() + 4)
            channel.wait_state("on_backup")
            channel.wait_now("after")
            channel.wait_recorded(channel.mark() + 2)
            aired = channel.aired()
            log, runs = channel.service.log, channel.as_run()
    shown = [one for one in aired.items if one is not None]
    # The backup repeats while the feed is away.
    assert [one for at, one in enumerate(shown) if at == 0 or shown[at - 1] != one] == [2, 1, 2, 3]
    assert aired.faults == [] or all("item 1" in one or "item 2" in one for one in aired.faults), aired.faults
    assert "time_over" in [run["reason"] for run in runs]
    assert KEY not in log


def test_a_backup_takes_the_place_of_a_source_that_is_gone(clips: Path, tmp_path: Path) -> None:
    """An item that cannot be played at its turn is replaced by its backup, and the playlist continues after that."""
    gone = f"http://127.0.0.1:{free_port()}/gone.mp4 | title=Gone"
    lines = [f"{gone} | backup={clips / 'backup.mp4'} | title=Standby", clips / "after.mp4"]
    with on_air(tmp_path / "channel", clips, lines=lines, wait=False) as channel:
        channel.wait_now("Standby")
        since = channel.mark()
        channel.wait_now("after")
        channel.wait_recorded(since + 8)
        aired = channel.aired(since)
    shown = [one for one in aired.items if one is not None]
    assert shown[:2] == [2, 3]
    assert aired.faults == []


@pytest.mark.long
def test_a_clip_without_a_length_is_asked_for_a_few_times(clips: Path, tmp_path: Path) -> None:
    """A server that states no length and closes at its end is asked a handful of times for one play, not thousands."""
    with BeginsAgain(clips / "clip.ts", "video/mp2t") as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/clip.ts"
        with on_air(tmp_path / "channel", clips, lines=[f"{url} | title=Clip"], wait=False, LOOP="0") as channel:
            channel.wait_now("Clip")
            channel.wait_state("on_slate")
            aired, asked = channel.aired(), server.count
        server.shutdown()
    assert [one.numbers for one in aired.of(5)] == [list(range(100))]
    assert asked <= 8


@pytest.mark.long
def test_a_feed_that_is_too_slow_does_not_flap(clips: Path, tmp_path: Path) -> None:
    """A feed at 0.8 of its speed leaves the air once and comes back with a whole buffer, not for two seconds at a time."""
    address = f"srt://127.0.0.1:{free_port()}"
    with (
        sending(clips / "feed.mp4", f"{address}?mode=listener", "mpegts", speed=0.8),
        on_air(
            tmp_path / "channel", clips, lines=[f"{address} | title=Slow"], wait=False, BUFFER_SECONDS="5"
        ) as channel,
    ):
        channel.wait_now("Slow")
        wait_until(
            lambda: "source_stalled" in [run["reason"] for run in channel.as_run()], what="the loss", timeout=120
        )
        since = channel.mark()
        channel.wait_now("Slow")
        channel.wait_recorded(channel.mark() + 15)
        aired = channel.aired(since)
        runs, metrics, log = channel.as_run(), channel.metrics(), channel.service.log
    first = next(one for one in aired.stretches if one.item_id == 1)
    assert first.frames > 300, aired.items
    losses = [run["reason"] for run in runs].count("source_stalled")
    assert losses <= 2, runs
    # The sender takes one visitor: a second connection for the item's next turn would have failed.
    assert "source failed" not in log
    counted = re.search(r'splices_total\{reason="resumed"\} (\d+)', metrics)
    assert counted is not None
    assert losses - int(counted[1]) in {0, 1}


def test_the_titles_of_a_radio_are_in_the_records(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Status and as-run log have each piece of a radio by its own title, while the sound goes on without a cut."""
    folder = tmp_path_factory.mktemp("radio")
    song = make_clip(folder / "song.ts", Plan(item_id=4, frames=250, encoder=ENCODER, audio_encoder=("-c:a", "mp2")))
    with (
        Radio(song, seconds=10.0, kind="video/mp2t") as radio,
        on_air(tmp_path / "channel", folder, lines=[radio.url], wait=False, BUFFER_SECONDS="3") as channel,
    ):
        channel.wait_now("First - Song")
        radio.title = "Second - Song"
        channel.wait_now("Second - Song")
        channel.wait_recorded(channel.mark() + 2)
        aired = channel.aired()
        wait_until(lambda: any(run["reason"] == "retitled" for run in channel.as_run()), what="the record")
        runs = channel.as_run()
    assert "First - Song" in [run["title"] for run in runs]
    assert [one for one in aired.items if one is not None] == [4]
