"""A looping channel with a library, on the recorded stream: the second pass is the first, without a child and without a hole."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from stands.channel import Channel, Record, on_air
from stands.numbered import Plan, make_clip
from stands.recording import frame_digests, slot_faults
from stands.service import warning_texts
from stands.site import Segments, Site, cut_hls
from stands.waiting import wait_until

SHORT_FRAMES, MEDIUM_FRAMES, LONG_FRAMES, LIVE_FRAMES = 60, 250, 500, 250
FRESH_IDS, LIVE_IDS = (11, 12, 13), (21, 22, 23)
FRAMES = {5: LONG_FRAMES} | dict.fromkeys(FRESH_IDS, LONG_FRAMES)
"""Of the items that are not short."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one`, `two` and `three` of 2.4 s, and `medium` of ten; items 1 to 4."""
    folder = tmp_path_factory.mktemp("kept")
    for item_id, name in enumerate(("one", "two", "three", "medium"), start=1):
        frames = MEDIUM_FRAMES if name == "medium" else SHORT_FRAMES
        make_clip(folder / f"{name}.mp4", Plan(item_id=item_id, frames=frames, flashes=(25,)))
    return folder


@contextmanager
def keeping(folder: Path, media: Path, lines: list[object], library: Path | None = None) -> Iterator[Channel]:
    """A channel with a library."""
    place = folder / "library" if library is None else library
    with on_air(folder, media, lines=lines, BUFFER_SECONDS="4", LIBRARY_MAX_GB="1", LIBRARY_DIR=str(place)) as channel:
        yield channel


def counted(channel: Channel, name: str) -> float:
    """One of the service's metrics."""
    line = next(line for line in channel.metrics().splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


def wait_kept(channel: Channel, copies: int) -> None:
    """Until so many copies are kept."""
    wait_until(
        lambda: counted(channel, "tg_video_streamer_library_items") == copies,
        what=f"{copies} cached encodes",
        every=0.1,
    )


def wait_plays(channel: Channel, plays: int) -> None:
    """Until so many more items have gone on air."""
    goal = channel.service.status()["streams_played"] + plays
    channel.service.wait_for(lambda now: now["streams_played"] >= goal, what=f"{plays} plays")


def copies(channel: Channel) -> list[Path]:
    """The files of packets, smallest first."""
    folder = Path(channel.service.settings["LIBRARY_DIR"])
    return sorted(folder.glob("*.flv"), key=lambda path: path.stat().st_size)


def passes_of(channel: Channel, record: Record, item_id: int) -> list[list[str]]:
    """A digest of each picture of each time that a short item is in the record from beginning to end."""
    digests = frame_digests(channel.folder / "tail.flv")
    at = 0
    found = []
    for stretch in record.stretches:
        if stretch.item_id == item_id and stretch.frames == SHORT_FRAMES:
            found.append(digests[at : at + SHORT_FRAMES])
        at += stretch.frames
    return found


def test_a_loop_is_played_from_its_copies(clips: Path, tmp_path: Path) -> None:
    """Pixel by pixel each pass is the first; no child runs any more; losing the index or a copy costs no frame."""
    lines: list[object] = [clips / "one.mp4", clips / "two.mp4", clips / "three.mp4"]
    with keeping(tmp_path, clips, lines) as channel:
        wait_kept(channel, 3)
        # What is primed by now is the last that may have been encoded.
        wait_plays(channel, 4)
        wait_until(lambda: channel.service.children() == [], what="no child any more")
        misses = counted(channel, "tg_video_streamer_library_misses_total")
        since = channel.mark()
        for damage in (Path.unlink, lambda path: path.write_bytes(b"no database" * 100)):
            for file in tmp_path.glob("library/index.sqlite*"):
                damage(file)
            wait_plays(channel, 2)
        assert channel.service.children() == []
        assert counted(channel, "tg_video_streamer_library_misses_total") == misses
        cached = [line["cached"] for line in channel.as_run() if line["level"] == "item"]
        assert (cached[0], cached[-2:]) == (False, [True, True])
        assert channel.service.status()["cached"]
        assert counted(channel, "tg_video_streamer_cached_program_seconds_total") > 2 * SHORT_FRAMES / 25
        until = channel.mark()
        damaged = copies(channel)[0]
        damaged.write_bytes(b"\0" * damaged.stat().st_size)
        wait_until(
            lambda: counted(channel, "tg_video_streamer_library_misses_total") > misses,
            what="encoded again",
        )
        wait_kept(channel, 3)
        wait_plays(channel, 3)
        channel.wait_recorded(channel.mark() + 2)
        record = channel.aired()
        assert channel.service.status()["gap_seconds"] == 0
    assert record.faults == []
    # Where something is encoded, a busy machine may have to show the slate first.
    assert [one for one in record.of(None) if since < one.seconds < until] == []
    shown = [one for one in record.stretches if one.item_id is not None]
    assert all(one.item_id != two.item_id for one, two in pairwise(shown))
    assert all(one.numbers == list(range(SHORT_FRAMES)) for one in shown[:-1])
    first, *later = passes_of(channel, record, 3)
    assert len(later) >= 2
    assert all(one == first for one in later[:2])


@pytest.mark.long
def test_a_copy_that_is_damaged_on_air_costs_no_frame(clips: Path, tmp_path: Path) -> None:
    """Where a copy goes bad while it is on air, its source continues at that frame, and the copy is made again."""
    with keeping(tmp_path, clips, [clips / "medium.mp4", clips / "one.mp4"]) as channel:
        wait_kept(channel, 2)
        wait_until(
            lambda: counted(channel, "tg_video_streamer_library_hits_total") >= 2,
            what="both from their copies",
        )
        channel.wait_now("one")
        mark = channel.mark()
        channel.wait_now("medium")
        with copies(channel)[-1].open("r+b") as file:
            file.seek(copies(channel)[-1].stat().st_size * 7 // 8)
            file.write(b"damaged" * 100)
        channel.wait_now("one")
        assert channel.service.log.count("damaged cached encode removed") == 1
        channel.wait_recorded(channel.mark() + 1)
        record = channel.aired(mark)
        wait_kept(channel, 2)
    assert record.faults == []
    assert None not in record.items
    assert [one.numbers for one in record.of(4)] == [list(range(MEDIUM_FRAMES))]


@pytest.mark.long
def test_what_one_channel_kept_another_plays_also_while_the_site_is_down(clips: Path, tmp_path: Path) -> None:
    """With the video site switched off, a channel that shares the folder plays every frame from its first item on."""
    shared = tmp_path / "shared"
    with Site() as site:
        for name in ("one", "two"):
            site.file(f"/{name}.mp4", clips / f"{name}.mp4")
        lines: list[object] = [site.url("/one.mp4"), site.url("/two.mp4")]
        with keeping(tmp_path / "first", clips, lines, library=shared) as first:
            wait_kept(first, 2)
            for name in ("one", "two"):
                site.fail(f"/{name}.mp4", 503)
            mark = first.mark()
            with keeping(tmp_path / "second", clips, lines, library=shared) as second:
                wait_plays(second, 4)
                assert counted(second, "tg_video_streamer_library_misses_total") == 0
                records = [second.aired(), first.aired(mark)]
    assert [record.faults for record in records] == [[], []]
    assert {one for record in records for one in record.items[1:]} == {1, 2}


@pytest.mark.long
@pytest.mark.parametrize("changed", [False, True])
def test_a_list_whose_page_is_down_at_the_start_plays_what_it_last_held(
    clips: Path, tmp_path: Path, *, changed: bool
) -> None:
    """After a restart with the whole site switched off or its list changed, its items play from the library."""
    with Site() as site:
        for name in ("one", "two"):
            site.file(f"/{name}.mp4", clips / f"{name}.mp4")
        site.feed("/list.rss", ["/one.mp4", "/two.mp4"])
        with keeping(tmp_path, clips, [site.url("/list.rss")]) as channel:
            wait_kept(channel, 2)
            wait_until((channel.service.state_dir / "lists.json").is_file, what="the list is remembered")
            channel.service.stop()
            for path in ("/one.mp4", "/two.mp4", *(() if changed else ("/list.rss",))):
                site.fail(path, 503)
            if changed:
                site.text("/list.rss", "<html><body>Another page</body></html>", "text/html")
            channel.service.start()
            channel.service.wait_on_air()
            wait_plays(channel, 3)
            assert counted(channel, "tg_video_streamer_library_misses_total") == 0
            assert channel.service.log.count("a list does not answer, its last known items play") == 1
            record = channel.aired()
    assert record.faults == []
    assert {1, 2} <= set(record.items)


@pytest.mark.long
def test_killed_while_it_keeps_nothing_is_half(clips: Path, tmp_path: Path) -> None:
    """After kill -9 in the middle of keeping, the next start finds whole copies only, and keeps the rest."""
    with keeping(tmp_path, clips, [clips / "one.mp4", clips / "medium.mp4"]) as channel:
        wait_until(lambda: list(tmp_path.glob("library/*.part")), what="a copy being made")
        channel.service.process.kill()
        channel.service.process.wait()
        channel.service.start()
        channel.service.wait_on_air()
        wait_kept(channel, 2)
        wait_until(lambda: not list(tmp_path.glob("library/*.part")), what="nothing half")
        assert channel.aired().faults == []


@pytest.mark.long
def test_a_disk_without_room_is_told(clips: Path, tmp_path: Path) -> None:
    """Where the disk is too full, the channel is on air all the same, keeps nothing, and its status says why."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        with keeping(tmp_path, clips, [clips / "one.mp4", clips / "two.mp4"], library=folder) as channel:
            wait_plays(channel, 3)
            warnings = warning_texts(channel.service.status())
            assert [warning for warning in warnings if warning.startswith("the library: ")]
            assert channel.service.log.count("library caches nothing") == 1
            assert copies(channel) == []
            assert channel.aired().faults == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def broadcasts(tmp_path_factory: pytest.TempPathFactory) -> list[Segments]:
    """Three live broadcasts of ten seconds that come round again, items 21 to 23."""
    folder = tmp_path_factory.mktemp("broadcasts")
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
    made = []
    for item_id in LIVE_IDS:
        clip = make_clip(folder / f"{item_id}.mp4", Plan(item_id=item_id, frames=LIVE_FRAMES, encoder=encoder))
        made.append(cut_hls(clip, folder / str(item_id)))
    return made


@pytest.mark.long
@pytest.mark.timeout(400)
def test_kept_live_and_encoding_items_follow_each_other_in_any_order(
    clips: Path, broadcasts: list[Segments], tmp_path: Path
) -> None:
    """Each of the three kinds after each: every item whole, every frame in its slot, and nothing between them."""
    shared = tmp_path / "shared"
    kept = [clips / f"{name}.mp4" for name in ("one", "two", "three")]
    kept.append(make_clip(tmp_path / "long.mp4", Plan(item_id=5, frames=LONG_FRAMES)))
    with keeping(tmp_path / "first", tmp_path.parent, list(kept), library=shared) as first:
        wait_kept(first, 4)
    fresh = [
        make_clip(tmp_path / f"e{item_id}.mp4", Plan(item_id=item_id, frames=LONG_FRAMES)) for item_id in FRESH_IDS
    ]
    with Site() as site:
        for path in fresh:
            site.status(f"/{path.name}", 503)
        lives = [site.live(f"/{number}/index.m3u8", one) for number, one in zip(LIVE_IDS, broadcasts, strict=True)]
        k1, k2, k3, k4 = kept
        l1, l2, l3 = (f"{site.url(f'/{number}/index.m3u8')} | title=Live {number}" for number in LIVE_IDS)
        e1, e2, e3 = (site.url(f"/{path.name}") for path in fresh)
        # Nothing short stands before a live item, which takes some seconds to be primed, and nothing fresh so near behind
        # the first one that it would be tried in its place.
        lines: list[object] = [k1, k4, l1, l2, k3, e1, e2, l3, e3, k2]
        with on_air(
            tmp_path / "channel",
            tmp_path.parent,
            lines=lines,
            BUFFER_SECONDS="4",
            LIBRARY_MAX_GB="1",
            LIBRARY_DIR=str(shared),
            LOOP="0",
        ) as channel:
            channel.wait_now("Live 21")
            # What cannot be had now is not prepared in advance for an hour: so it is encoded while it is on air.
            wait_until(lambda: all(site.requests(f"/{path.name}") for path in fresh), what="all were looked at")
            for path in fresh:
                site.file(f"/{path.name}", path)
            for number, live in zip(LIVE_IDS, lives, strict=True):
                channel.wait_now(f"Live {number}", timeout=90)
                channel.wait_recorded(channel.mark() + 4)
                live.end()
            channel.wait_state("on_slate")
            hits = counted(channel, "tg_video_streamer_library_hits_total")
            assert channel.service.status()["gap_seconds"] == 0
            record = channel.aired()
    assert slot_faults(record.recording) == []
    assert hits == 4
    shown = [one for one in record.stretches if one.item_id is not None]
    at = record.items.index(1)
    assert record.items[at : at + 10] == [1, 5, 21, 22, 3, 11, 12, 23, 13, 2]
    for one in shown:
        if one.item_id in LIVE_IDS:
            assert {(after - before) % LIVE_FRAMES for before, after in pairwise(one.numbers)} == {1}
        else:
            assert one.numbers == list(range(FRAMES.get(one.item_id or 0, SHORT_FRAMES)))
