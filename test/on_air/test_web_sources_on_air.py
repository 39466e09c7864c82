"""Web videos of the running service: fragments that only yt-dlp downloads, and what the operator reads of errors."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from stands.channel import on_air
from stands.dash import cut_dash
from stands.numbered import Plan, make_clip
from stands.site import Site

_FRAMES = 150


def test_dash_is_aired_whole_and_errors_say_what_helps(media: Path, tmp_path: Path) -> None:
    """A video in DASH is aired frame by frame; a page without video and one that refuses are named with what helps."""
    clip = make_clip(tmp_path / "clip.mp4", Plan(item_id=11, frames=_FRAMES, encoder=("-c:v", "libx264", "-g", "25")))
    with Site() as site:
        address = cut_dash(clip, tmp_path / "dash").serve(site, "/dash")
        site.text("/text", "<html><body>No video here</body></html>", "text/html")
        site.status("/refused", 403)
        lines = [media / "one.mp4", site.url("/text"), site.url("/refused"), address, media / "two.mp4"]
        with on_air(tmp_path / "channel", media, lines=lines, SPOOL_MAX_GB="1") as channel:
            channel.service.wait_for(lambda status: len(status["warnings"]) >= 2, what="both errors are known")
            status = channel.wait_now("index")
            channel.service.wait_for(lambda now: now["now"] and "index" not in now["now"]["title"], what="it is over")
            assert channel.service.stop() == 0
            record = channel.aired()
    assert [one.numbers for one in record.of(11)] == [list(range(_FRAMES))]
    assert record.faults == []
    texts = " ".join(str(one) for one in status["warnings"])
    assert "yt-dlp is behind the site: it finds no video on the page" in texts
    assert "the site refuses this server: cookies or a proxy may help" in texts


def test_a_site_that_changes_is_covered_and_said(media: Path, tmp_path: Path) -> None:
    """After a site has changed its pages, the cached encode is aired whole, and the status says why and what follows."""
    make_clip(tmp_path / "clip.mp4", Plan(item_id=11, frames=_FRAMES))
    library = tmp_path / "library"
    with Site() as site:
        site.file("/clip.mp4", tmp_path / "clip.mp4")
        site.page("/watch", "/clip.mp4", title="A film")
        lines = [site.url("/watch"), media / "one.mp4"]
        with on_air(tmp_path / "channel", media, lines=lines, LIBRARY_MAX_GB="1", LIBRARY_DIR=str(library)) as channel:
            channel.service.wait_for(lambda _: len(list(library.glob("*.flv"))) == 2, what="both are cached")
            channel.service.stop()
            with closing(sqlite3.connect(library / "index.sqlite")) as index, index:
                index.execute("UPDATE sources SET checked_wall = 0")
            site.text("/watch", "<html><body>Another page</body></html>", "text/html")
            channel.service.start()
            channel.service.wait_on_air()
            status = channel.service.wait_for(
                lambda status: status["warnings"] and status["streams_played"] >= 4 and status, what="it is said"
            )
            assert channel.service.stop() == 0
            record = channel.aired(record=-1)
    assert any(one.numbers[-_FRAMES:] == list(range(_FRAMES)) for one in record.of(11))
    assert record.faults == []
    texts = " ".join(str(one) for one in status["warnings"])
    assert "plays from the library: yt-dlp is behind the site: it finds no video on the page" in texts
