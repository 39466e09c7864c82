"""What a playlist costs whose every item fails, beside the same channel that shows the slate and has nothing to try."""

from __future__ import annotations

import time
from pathlib import Path

from bench.measure import cpu_seconds
from bench.report import Table

from stands.service import Service, running
from stands.site import Site
from stands.waiting import wait_until

ITEMS = 50
_SETTLED_ATTEMPTS = 11
"""By then, two minutes after the start, the pauses between attempts at anything have reached their two minutes."""


def measure(folder: Path, *, quick: bool) -> Table:
    """Both channels at the same time, so that the machine treats them alike."""
    attempts, window = (3, 10.0) if quick else (_SETTLED_ATTEMPTS, 250.0)
    with Site() as site:
        paths = [f"/dead/{number}" for number in range(ITEMS)]
        for path in paths:
            site.status(path, 500)

        def asked() -> int:
            return sum(len(site.requests(path)) for path in paths)

        with (
            running(folder / "empty", _settings(folder / "empty", [])) as empty,
            running(folder / "dead", _settings(folder / "dead", [site.url(path) for path in paths])) as dead,
        ):
            wait_until(lambda: asked() >= attempts, timeout=240, what=f"{attempts} attempts", every=0.2)
            before = asked()
            slate, failing = _used([empty, dead], window)
            tried = asked() - before
    rows = (
        ("empty playlist: the slate alone", f"{slate / window * 100:.2f} %", "0"),
        (f"{ITEMS} web items that all fail", f"{failing / window * 100:.2f} %", f"{tried}"),
        ("what failing adds", f"{(failing - slate) / window * 100:.2f} %", ""),
    )
    return Table(
        question=f"A dead playlist, over {window:.0f} s",
        columns=("channel", "CPU of the whole tree, of one core", "attempts"),
        rows=rows,
        notes=(
            "Target: failing costs under 1 %, and at most one attempt an item a minute.",
            "Without an output and without a viewer; the slate is encoded once and repeated as packets.",
            f"Measured from attempt {attempts} on. Each attempt is a start of the real yt-dlp on a site that answers 500.",
        ),
    )


def _used(services: list[Service], seconds: float) -> list[float]:
    """CPU seconds of each within the window."""
    before = [cpu_seconds(one.process.pid) for one in services]
    time.sleep(seconds)
    return [cpu_seconds(one.process.pid) - used for one, used in zip(services, before, strict=True)]


def _settings(folder: Path, lines: list[str]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "playlist.txt").write_text("".join(f"{line}\n" for line in lines))
    return {"PLAYLIST": str(folder / "playlist.txt"), "OUTPUTS": ""}
