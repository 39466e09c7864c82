"""A hard start on a real service: when its first picture arrives, what was cut continues, and nothing is missing."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from stands.channel import on_air
from stands.recording import luma_of, read_picture
from stands.waiting import wait_until

FILM, NEWS = 5, 1


class Viewer:
    """Watches a stream as it comes: when each picture arrived, and whose it is."""

    def __init__(self, url: str) -> None:
        self.seen: list[tuple[float, float, int | None]] = []
        """Wall time of its arrival, its own time in the stream, and its item."""
        self._thread = threading.Thread(target=self._watch, args=(url,), daemon=True)
        self._thread.start()

    def _watch(self, url: str) -> None:
        # The stream ends with its server.
        with suppress(av.FFmpegError), av.open(url, options={"fflags": "nobuffer", "rtmp_live": "live"}) as stream:
            for packet in stream.demux(video=0):
                arrived = time.time()
                for frame in packet.decode():
                    look = read_picture(luma_of(frame))
                    self.seen.append((arrived, float(frame.time or 0), look.item_id))

    def first_wall(self, item_id: int) -> float:
        """When the first picture of an item was due: what came first of all shows how late the stream is at the least."""
        seen = list(self.seen)
        offset = min(arrived - own for arrived, own, _ in seen)
        return offset + next(own for _, own, found in seen if found == item_id)


@pytest.mark.long
def test_a_hard_start_is_on_its_second_and_costs_no_picture(media: Path, tmp_path: Path) -> None:
    """Written while on air, the show's first picture is within 40 ms of its second; the film continues where it was cut."""
    with on_air(tmp_path, media, lines=[media / "long.mp4"], wait=False) as channel:
        channel.service.wait_on_air(timeout=90)
        viewer = Viewer(channel.server.url("secret-stream-key"))
        wait_until(lambda: viewer.seen, what="a picture")
        begins = int(time.time()) + 12
        at = datetime.fromtimestamp(begins, UTC).isoformat()
        (channel.service.folder / "schedule.toml").write_text(
            f'time_zone = "Europe/Berlin"\n[[show]]\ntitle = "News"\nat = {at}\nitem = "{media}/one.mp4"\nstart = "hard"\n'
        )
        channel.wait_now("News")
        shown = json.loads(channel.ask("schedule", "show", "--json"))
        channel.wait_now("long")
        channel.wait_recorded(channel.mark() + 3)
        aired = channel.aired()
        status = channel.service.status()

    assert [(one["title"], one["hard"]) for one in shown if one["kind"] == "show"] == [("News", True)]
    assert abs(viewer.first_wall(NEWS) - begins) <= 0.04
    film, news, again = (one for one in aired.stretches if one.item_id is not None)
    assert (film.item_id, news.item_id, again.item_id) == (FILM, NEWS, FILM)
    assert news.numbers == list(range(100))
    assert again.numbers[0] - film.numbers[-1] in {0, 1}
    assert aired.faults == []
    assert status["gap_seconds"] == 0
