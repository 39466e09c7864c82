"""The main promise, on the recorded stream: items of every kind follow each other without a hole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stands.clips import AWKWARD, Awkward, make_awkward
from stands.nginx_rtmp import NginxRtmp
from stands.recording import Look, read_recording, skews, slot_faults
from stands.service import running

_PLAYED = [kind for kind in AWKWARD if kind.name != "still"]
_THIRTY = [*_PLAYED, *_PLAYED[:8]]
_SIX = [kind for kind in _PLAYED if kind.name in {"plain", "sound-shorter", "10-fps", "60-fps", "truncated", "corrupt"}]


def _number_faults(kind: Awkward, begin: int, looks: tuple[Look, ...]) -> list[str]:
    """What is wrong with the pictures of one stretch of an item that is recorded from its picture `begin` on."""
    numbers = [look.number for look in looks]
    if kind.step == 1:
        return [] if numbers == list(range(begin, begin + len(numbers))) else [f"{kind.name}: {numbers}"]
    known = [number for number in numbers if number is not None]
    if kind.step is None and kind.shape is None:
        return [f"{kind.name}: pictures out of nowhere"] if known else []
    backwards = [(one, two) for one, two in pairwise(known) if two < one]
    return [f"{kind.name}: goes back {backwards}"] if backwards or not known else []


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "order", [pytest.param(_SIX, id="six"), pytest.param(_THIRTY, id="thirty", marks=pytest.mark.long)]
)
def test_splices_of_awkward_items_leave_no_hole(
    order: list[Awkward], server: NginxRtmp, settings: dict[str, str], tmp_path: Path
) -> None:
    """Through a real RTMP server, splices of items of every kind: whole grids, no frame lost, lips in time."""
    clips = tmp_path / "clips"
    paths = [make_awkward(kind.name, clips) for kind in order]
    (tmp_path / "playlist.txt").write_text("".join(f"{path}\n" for path in paths))
    with running(tmp_path / "service", settings | {"MEDIA_DIRS": str(clips), "LOOP": "0"}) as service:
        service.wait_for(lambda status: status["streams_played"] >= len(order), timeout=300, what="all items played")
        service.wait_for(lambda status: status["channel_state"] == "on_slate", what="the list is over")
        gap_seconds = service.status()["gap_seconds"]
        assert service.stop() == 0
    records = sorted((server.folder / "records").iterdir())
    aired = [json.loads(line) for line in (service.state_dir / "as-run.jsonl").read_text().splitlines()]
    items = [line for line in aired if line["level"] == "item"]
    recording = read_recording(records[0])

    assert len(records) == 1
    # A busy machine shows the slate while an item is being primed, or takes another one first.
    assert {line["level"] for line in aired} == {"item", "slate"}
    kinds = {path.stem: kind for path, kind in zip(paths, order, strict=True)}
    assert sorted(line["title"] for line in items) == sorted(path.stem for path in paths)
    assert items[0]["title"] == paths[0].stem
    assert (recording.width, recording.height) == (320, 180)
    assert slot_faults(recording) == []
    assert gap_seconds == 0
    assert all(line["gap_seconds"] == 0 and line["skew_seconds"] <= 0.0111 for line in items)
    faults: list[str] = []
    for line, begin, looks in _by_line(aired, recording.looks):
        if line["level"] == "item":
            faults += _number_faults(kinds[line["title"]], begin, looks)
    assert faults == []
    slowest = max(kind.skew_seconds for kind in order)
    found = skews(recording)
    assert len(found) >= len(order)
    assert all(abs(skew) <= 0.011 + slowest for skew in found)


def _by_line(
    aired: list[dict[str, Any]], looks: tuple[Look, ...]
) -> Iterator[tuple[dict[str, Any], int, tuple[Look, ...]]]:
    """The lines of the as-run log from the first item on, each with its pictures and the number of the first of them.

    The record may begin before that, with the slate, or amid the first item, where the server was slow to answer; the
    number of a picture of that item says which.
    """
    first = next(index for index, line in enumerate(aired) if line["level"] == "item")
    at, number = next((index, look.number) for index, look in enumerate(looks) if look.number is not None)
    at -= number
    for line in aired[first:]:
        frames = round(line["seconds"] * 25)
        yield line, max(0, -at), looks[max(0, at) : at + frames]
        at += frames
