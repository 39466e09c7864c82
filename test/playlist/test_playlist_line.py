"""One playlist line: what is accepted, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json
from tg_video_streamer.playlist.line import parse_line, parse_seconds

ALLOWED = AllowedFolders.of(["/channel", "/media"])


def parse(line: str) -> Item:
    """The item of one line in /channel/playlist.txt."""
    return parse_line(line, base="/channel", allowed=ALLOWED)


def test_gapless_holds_for_all_in_a_folder() -> None:
    """The option of a folder or list is that of each item in it; it is a switch."""
    folder = parse("albums/live | gapless=1")
    assert folder.child(LocatorKind.FILE, "/channel/albums/live/1.flac").gapless
    assert not parse("albums/live").gapless
    with pytest.raises(PlaylistError):
        parse("albums/live | gapless=yes")


def test_url_and_options() -> None:
    """A URL with every option in any order gives an item with all of them."""
    item = parse("https://example.org/v?a=1 | volume=0.5 | title=One | two | end=1:30 | start=0:00:15.5")
    assert item.kind is LocatorKind.URL
    assert item.locator == "https://example.org/v?a=1"
    assert item.title == "One | two"
    assert (item.start_seconds, item.end_seconds, item.volume) == (15.5, 90.0, 0.5)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("film.mp4", "/channel/film.mp4"),
        ("./-film.mp4", "/channel/-film.mp4"),
        ("./a: b.mp4", "/channel/a: b.mp4"),
        ("sub/../film.mp4", "/channel/film.mp4"),
        ("/media/films", "/media/films"),
        ("//media/films", "/media/films"),
        ("A | B.mp4", "/channel/A | B.mp4"),
        ("Episode 1: x.mp4", "/channel/Episode 1: x.mp4"),
        ("naïve 映画.mkv", "/channel/naïve 映画.mkv"),
    ],
)
def test_paths(line: str, path: str) -> None:
    """Relative paths start at the playlist's folder and are normalized."""
    item = parse(line)
    assert (item.kind, item.locator) == (LocatorKind.FILE, path)


@pytest.mark.parametrize(
    "line",
    [
        "file:///etc/passwd",
        "concat:a.mp4|b.mp4",
        "pipe:0",
        "subfile,,start,0,end,9,,:a",
        "data:text/plain,x",
        "ytsearch:cats",
        "-exec=rm",
        "--exec",
        "../secret.mp4",
        "/etc/passwd",
        "/channels/x.mp4",
        "/media/../etc/passwd",
        "http://",
        "https:///path",
        "http:relative",
        "http://host/a b",
        "http://host:0/",
        "http://host:99999/",
        "http://[::1/",
        "a\x00b.mp4",
        "a\x1b[2Jb.mp4",
        "caf\udce9.mp4",
        "x.mp4 | volume=5",
        "x.mp4 | volume=nan",
        "x.mp4 | start=1:99",
        "x.mp4 | start=1:60:00",
        "x.mp4 | start=1:2:3:4",
        "x.mp4 | start=1.5:00",
        "x.mp4 | start=99999999",
        "x.mp4 | start=",
        "x.mp4 | start=-1",
        "x.mp4 | start=5 | end=5",
        "x.mp4 | start=1 | start=2",
        "x.mp4 | speed=2",
        "| title=x",
        "x" * 9000,
    ],
)
def test_refused(line: str) -> None:
    """Foreign protocols, options, paths outside the allowed folders and bad values are refused with a remedy."""
    with pytest.raises(PlaylistError) as caught:
        parse(line)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90.5", 90.5), ("1:30", 90), ("01:01:01.25", 3661.25), ("600:00", 36000)],
)
def test_times(text: str, seconds: float) -> None:
    """Times are seconds, mm:ss or hh:mm:ss."""
    assert parse_seconds(text) == seconds


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_line_is_an_item_inside_or_a_refusal(line: str) -> None:
    """Any line gives an item with http(s) or inside the allowed folders, or a PlaylistError."""
    try:
        item = parse(line)
    except PlaylistError:
        return
    if item.kind is LocatorKind.URL:
        assert item.locator.lower().startswith(("http://", "https://"))
    elif item.kind is LocatorKind.TELEGRAM:
        assert item.locator.startswith(("https://t.me/", "tg-chat:"))
    else:
        assert item.locator.startswith(("/channel", "/media"))
        assert ".." not in item.locator.split("/")
    assert "\x00" not in item.locator


def test_key_is_of_what_plays_and_not_of_how_it_is_called() -> None:
    """Retitling keeps an item's key; another start makes it another item."""
    assert parse("x.mp4").key == parse("./x.mp4 | title=X | volume=2").key
    assert parse("x.mp4").key != parse("x.mp4 | start=1").key


@pytest.mark.parametrize(
    "line",
    [
        "rtmp://studio.example/live/key?token=abc",
        "rtmps://studio.example/live/key",
        "rtsp://user:password@camera.example:554/stream?channel=1&subtype=0",
        "srt://studio.example:9000?latency=200000&passphrase=0123456789&streamid=#!::r=live",
        "srt://:9000?mode=listener",
        "udp://239.1.2.3:5000?localaddr=10.0.0.5&fifo_size=50000",
        "udp://@239.1.2.3:5000",
        "UDP://0.0.0.0:5000",
    ],
)
def test_live_feeds(line: str) -> None:
    """The address of a live feed is an item of its own kind, with its options."""
    item = parse(f"{line} | title=Studio")
    assert (item.kind, item.title) == (LocatorKind.LIVE, "Studio")
    assert item.locator.partition(":")[2] == line.partition(":")[2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rtmp://studio.example", "not well formed"),
        ("rtsp://camera.example/stream?udp", "over TCP"),
        ("srt://studio.example", "srt://HOST:PORT"),
        ("srt://studio.example:9000/path", "no path"),
        ("srt://studio.example:9000?transtype=file", "srt:// has no option transtype"),
        ("srt://studio.example:9000?passphrase=short", "passphrase of srt://"),
        ("srt://studio.example:9000?mode=listener&mode=caller", "given twice"),
        ("udp://239.1.2.3", "udp://HOST:PORT"),
        ("udp://239.1.2.3:5000?localaddr=eth0", "localaddr of udp://"),
        ("udp://239.1.2.3:5000?broadcast=1", "udp:// has no option broadcast"),
    ],
)
def test_wrong_live_feeds(line: str, words: str) -> None:
    """What a scheme does not have is refused with what it has, and the address is not repeated."""
    with pytest.raises(PlaylistError, match=words) as caught:
        parse(line)
    assert line.partition("://")[2] not in str(caught.value)
    assert "=short" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "locator"),
    [
        ("https://t.me/TestChan/123", "https://t.me/testchan/123"),
        ("http://www.t.me/TestChan/123", "https://t.me/testchan/123"),
        ("https://telegram.me/s/TestChan/123?before=5", "https://t.me/testchan/123"),
        ("https://t.me/testchan/7/123", "https://t.me/testchan/123"),
        ("https://t.me/testchan/123?single", "https://t.me/testchan/123?single"),
        ("https://t.me/c/1234567890/12", "https://t.me/c/1234567890/12"),
        ("https://t.me/c/1234567890/5/12?thread=5", "https://t.me/c/1234567890/12"),
        ("https://testchan.t.me/12", "https://t.me/testchan/12"),
        ("https://t.me/TestChan", "tg-chat:testchan"),
        ("https://t.me/s/TestChan", "tg-chat:testchan"),
        ("https://t.me/c/1234567890", "tg-chat:-1001234567890"),
        ("tg-chat:TestChan", "tg-chat:testchan"),
        ("TG-CHAT:@testchan", "tg-chat:testchan"),
        ("tg-chat:-1001234567890", "tg-chat:-1001234567890"),
        ("tg-chat:-1001234567890/12", "https://t.me/c/1234567890/12"),
        ("tg-chat:-6001/12", "tg-chat:-6001/12"),
    ],
)
def test_telegram_links(line: str, locator: str) -> None:
    """A link to a message or a chat of Telegram is an item with one canonical locator, which is read back as itself."""
    item = parse(line)
    assert (item.kind, item.locator) == (LocatorKind.TELEGRAM, locator)
    assert parse(item.locator) == item


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("https://t.me/+AbCdEf1234567890", "join the chat"),
        ("https://t.me/joinchat/AbCdEf1234567890", "join the chat"),
        ("https://t.me/", "https://t.me/NAME/123"),
        ("https://t.me/addstickers/cats", "https://t.me/NAME/123"),
        ("https://t.me/testchan/abc", "https://t.me/NAME/123"),
        ("https://t.me/testchan/1/2/3", "https://t.me/NAME/123"),
        ("https://t.me/c/abc/12", "https://t.me/NAME/123"),
        ("tg-chat:", "https://t.me/NAME/123"),
        ("tg-chat:12345", "https://t.me/NAME/123"),
        ("tg-chat:testchan | order=best", "oldest, newest, shuffle"),
        ("tg-chat:testchan | since=yesterday", "2026-01-31"),
        ("tg-chat:testchan | since=2026-02-30", "2026-01-31"),
        ("https://t.me/testchan/12 | order=newest", "tg-chat:NAME"),
        ("clips | match=cats", "tg-chat:NAME"),
    ],
)
def test_telegram_links_that_lead_nowhere(line: str, remedy: str) -> None:
    """What names no message and no chat is refused, and the error says what to write."""
    with pytest.raises(PlaylistError) as refused:
        parse(line)
    assert remedy in refused.value.remedy


def test_what_is_chosen_of_a_chat_is_another_item() -> None:
    """Lines with another choice of the same chat are other items; the plain line keeps the key of its link."""
    lines = ["", " | order=newest", " | since=2026-01-01", " | match=cats", " | match=dogs"]
    items = [parse(f"tg-chat:testchan{options}") for options in lines]
    assert len({item.key for item in items}) == len(items)
    assert items[0].key == Item(LocatorKind.TELEGRAM, "tg-chat:testchan").key
    assert item_from_json(item_as_json(items[1])) == items[1]
