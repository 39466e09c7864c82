"""What the status says of an item, from the item and from its feed."""

from __future__ import annotations

from pathlib import Path

from stands.feeding import feed_of, item_of
from tg_video_streamer.control.reporter import item_status


def test_each_line_has_its_own_title() -> None:
    """Of two lines with the same file each is found by its own title, also while the other one is prepared."""
    feed = feed_of(item_of("/films/film.mkv", title="Morning"), Path("ffmpeg"))
    assert item_status(feed.item, feed).title == "Morning"
    assert item_status(item_of("/films/film.mkv", title="Evening"), feed).title == "Evening"
    assert item_status(item_of("/films/film.mkv"), feed).title == "film.mkv"


def test_a_backup_on_air_has_its_own_title() -> None:
    """While a backup plays in the place of an item, its title is the one that is on air."""
    feed = feed_of(item_of("/films/backup.mkv", title="Standby"), Path("ffmpeg"))
    assert item_status(item_of("http://site.test/gone", title="Gone"), feed).title == "Standby"
