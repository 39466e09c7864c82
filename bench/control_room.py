"""What the control room costs: the first page, 50 viewers of the status stream, and whether either costs the program a frame.

Run it with `python bench/control_room.py`, or with `--quick`.
"""

from __future__ import annotations

import http.client
import os
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.channel import channel
from bench.inputs import film
from bench.report import Table

from stands.flv_record import whole_tags
from stands.nginx_rtmp import NginxRtmp
from stands.recording import read_recording, slot_faults
from stands.service import Service
from stands.waiting import wait_until

VIEWERS = 50
MOST_MILLISECONDS, MOST_KILOBYTES, MOST_PERCENT = 150, 60, 3
_FIRST_PAGE = ("/", "/page.css", "/page.js", "/icon.svg")
_TICKS = os.sysconf("SC_CLK_TCK")


class Viewers:
    """Open status streams, read by one thread that throws away what comes."""

    def __init__(self, service: Service, count: int) -> None:
        self.received = 0
        self._over = False
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", service.web_port))
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self._selector.register(connection, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """Go away."""
        self._over = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # a socket
        self._selector.close()

    def _read(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.2):
                assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - nothing else was registered
                self.received += len(key.fileobj.recv(1 << 16))


@contextmanager
def watching(service: Service, count: int) -> Iterator[Viewers]:
    """So many pages are open."""
    viewers = Viewers(service, count)
    try:
        yield viewers
    finally:
        viewers.close()


def first_page(service: Service) -> tuple[float, int]:
    """Milliseconds and bytes of one visit: document, style, script and icon, one after the other on one connection."""
    began = time.monotonic()
    size = 0
    connection = http.client.HTTPConnection("127.0.0.1", service.web_port, timeout=10)
    for path in _FIRST_PAGE:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, f"{path}: {answer.status}"  # noqa: S101 - a failed run must not become a number
        size += len(answer.read())
    connection.close()
    return (time.monotonic() - began) * 1000, size


def main_percent(service: Service, seconds: float) -> float:
    """What the main process takes of a core, its children apart."""
    before = _ticks(service)
    time.sleep(seconds)
    return (_ticks(service) - before) / _TICKS / seconds * 100


def _ticks(service: Service) -> int:
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def measure(folder: Path, *, quick: bool) -> Table:
    """One service on air, first alone, then with its pages open and its picture watched."""
    seconds = 8.0 if quick else 30.0
    source = film(folder / "film" / "film.mp4", seconds=20.0)
    with NginxRtmp(folder / "nginx") as nginx:
        with channel(folder / "service", [source], nginx.url("key"), LIBRARY_MAX_GB="1") as service:
            service.wait_on_air(timeout=60)
            # What is kept plays without an encoder, whose load would be in every figure.
            wait_until(lambda: not service.feeds(), timeout=120, what="the item is kept", every=0.5)
            visits = [first_page(service) for _ in range(5 if quick else 20)]
            alone = main_percent(service, seconds)
            with watching(service, VIEWERS) as viewers:
                wait_until(
                    lambda: viewers.received > VIEWERS * 5000, timeout=20, what="every viewer was told something"
                )
                watched = main_percent(service, seconds)
                told = viewers.received
                with watching(service, 1):
                    for _ in range(5):
                        first_page(service)
                gap = float(service.status()["gap_seconds"])
        (record,) = nginx.records()
        faults = len(slot_faults(read_recording(whole_tags(record, folder / "record.flv"))))
    slowest, median = max(one for one, _ in visits), statistics.median(one for one, _ in visits)
    return Table(
        question="What does the control room cost?",
        columns=("720p, one item that is kept, to RTMP", "measured", "at most"),
        rows=(
            ("first page, with style, script and icon: median", f"{median:.0f} ms", f"{MOST_MILLISECONDS} ms"),
            ("the same, the slowest", f"{slowest:.0f} ms", f"{MOST_MILLISECONDS} ms"),
            ("its size, not compressed", f"{visits[0][1] / 1000:.1f} kB", f"{MOST_KILOBYTES} kB"),
            (
                f"{VIEWERS} viewers of the status stream",
                f"{max(0.0, watched - alone):.1f} % of a core",
                f"{MOST_PERCENT} %",
            ),
            ("what the program was late with all of them", f"{gap:.2f} s", "0 s"),
            ("frames missing in the record", str(faults), "0"),
        ),
        notes=(
            f"The main process alone takes {alone:.1f} % of a core, with {VIEWERS} open pages {watched:.1f} %.",
            f"The pages were sent {told / 1000:.0f} kB together.",
        ),
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), quick="--quick" in sys.argv).markdown())


if __name__ == "__main__":
    main()
