"""Web videos of the running service: fragments that only yt-dlp downloads, and what the operator reads of errors."""

from __future__ import annotations

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
            status = channel.wait_now("two")
            assert channel.service.stop() == 0
            record = channel.aired()
    assert [one.numbers for one in record.of(11)] == [list(range(_FRAMES))]
    assert record.faults == []
    texts = " ".join(str(one) for one in status["warnings"])
    assert "yt-dlp is behind the site: it finds no video on the page" in texts
    assert "the site refuses this server: cookies or a proxy may help" in texts
