"""Logo, clock and title on the recorded stream of a service, and what a reload changes of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from stands.channel import Channel, on_air
from stands.flv_tail import cut_tail
from stands.recording import luma_of, read_picture
from stands.service import warning_texts

LOGO = (slice(30, 70), slice(775, 820))
CLOCK = (slice(24, 50), slice(24, 92))
LARGE = "480p"
RED, BLUE = (200, 30, 60), (20, 40, 230)


def _logo(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (400, 300), colour).save(path)
    return path


def _looks(channel: Channel) -> Iterator[tuple[int | None, tuple[int, ...], Any]]:
    """Item, colour of the logo's place, and luma of the clock's, of every recorded frame."""
    copy = cut_tail(channel.server.records()[-1], channel.folder / "tail.flv", since=0.0)
    with av.open(str(copy)) as container:
        for frame in container.decode(video=0):
            luma = luma_of(frame)
            colour = frame.to_ndarray(format="rgb24")[LOGO].astype(int).mean(axis=(0, 1))
            yield read_picture(luma).item_id, tuple(np.round(colour).astype(int)), luma[CLOCK].astype(int)


def _is(colour: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return max(abs(one - other) for one, other in zip(colour, wanted, strict=True)) < 12


@pytest.mark.long
def test_another_logo_counts_from_the_next_item_on(media: Path, tmp_path: Path) -> None:
    """What is on air keeps its logo, what follows has the new one; a file that is no image is reported and costs no frame."""
    logo = _logo(tmp_path / "one.png", RED)
    lines: list[object] = [media / f"{name}.mp4" for name in ("one", "two", "three", "four")]
    with on_air(
        tmp_path, media, lines=lines, wait=False, LOGO=str(logo), NOW_PLAYING="1", CLOCK="1", VIDEO_SIZE=LARGE
    ) as channel:
        channel.wait_now("two", timeout=90)
        settings = channel.service.env_file
        text = settings.read_text()
        settings.write_text(text.replace(f"LOGO={logo}", f"LOGO={_logo(tmp_path / 'two.png', BLUE)}"))
        assert "now in force: LOGO" in channel.ask("reload")
        plays = channel.service.status()["streams_played"]
        channel.wait_now("four", timeout=90)
        (tmp_path / "two.png").write_bytes(b"no picture")

        def told(status: dict[str, Any]) -> Any:
            return any(line.startswith("LOGO: ") for line in warning_texts(status)) and status["streams_played"]

        # Clips as short as these are primed three at a time, which keep the logo that they have.
        last = channel.service.wait_for(told, timeout=90, what="the bad logo is reported")
        channel.service.wait_for(lambda now: now["streams_played"] >= last + 4, timeout=90, what="items without one")
        channel.wait_recorded(channel.mark() + 1)
        assert channel.service.status()["gap_seconds"] == 0
        record = channel.aired()
        looks = list(_looks(channel))
    assert record.faults == []
    stretches = [(item, [colour for _, colour, _ in found]) for item, found in groupby(looks, lambda look: look[0])]
    shown = [(item, colours) for item, colours in stretches if item is not None]
    names = ["red" if _is(one[1][0], RED) else "blue" if _is(one[1][0], BLUE) else "none" for one in shown]
    wanted = {"red": RED, "blue": BLUE}
    assert all(
        _is(one, wanted[name]) for name, (_, found) in zip(names, shown, strict=True) if name in wanted for one in found
    )
    assert [name for name, _ in groupby(names)] == ["red", "blue", "none"]
    assert names[plays] == "blue", "the item behind the one that was on air then"


@pytest.mark.long
def test_the_clock_is_that_of_the_moment_on_air(media: Path, tmp_path: Path) -> None:
    """In a long item the minute turns within a second of the host's; so it does in an item that `skip` brought early."""
    with on_air(
        tmp_path, media, lines=[media / "long.mp4", media / "long.mp4"], CLOCK="1", VIDEO_SIZE=LARGE
    ) as channel:
        for skipped in (False, True):
            if skipped:
                channel.ask("skip")
            while not 20 < time.time() % 60 < 45:
                time.sleep(0.2)
            mark, wall = channel.mark(), time.time()
            turn = mark + 60 - wall % 60
            channel.wait_recorded(turn + 3)
            looks = [clock for _, _, clock in _looks(channel)]
            around = range(round(turn * 25) - 250, min(len(looks), round(turn * 25) + 70))
            changes = [float(np.abs(looks[at] - looks[at - 1]).mean()) for at in around]
            turned = around[changes.index(max(changes))]
            assert max(changes) > 5
            assert abs(turned / 25 - turn) < 1.5, "a second, and what the record's place is not known to"
