"""yt-dlp's answers, failures and arguments, and the expiry of URLs; no process is started."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.house import RATE
from tg_video_streamer.errors import ConfigError, ResolveError
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.answer import addresses, expires_wall, read_answer
from tg_video_streamer.resolve.arguments import parse_ytdlp_args, resolve_words, shared_words
from tg_video_streamer.resolve.media import Expansion, Media

ITEM = Item(LocatorKind.URL, "https://example.org/list")
VIDEO = {"url": "https://cdn.example.org/v?expire=1800000000", "protocol": "https", "vcodec": "avc1", "acodec": "none"}
AUDIO = {"url": "https://cdn.example.org/a?expire=1700000000", "protocol": "m3u8_native", "vcodec": "none"}


def read(answer: Any) -> Media | Expansion:
    """`answer` to a question for ITEM."""
    return read_answer(answer, ITEM, most_children=10)


def test_separate_formats() -> None:
    """Separate formats become two inputs, the earlier expiry counts, and the id is the extractor's."""
    found = read(
        {"extractor": "youtube", "id": "abc", "title": "T", "requested_formats": [VIDEO, AUDIO], "duration": 9}
    )
    assert isinstance(found, Media)
    assert [(one.has_video, one.has_audio) for one in found.inputs] == [(True, False), (False, True)]
    assert found.expires_wall == 1700000000
    assert (found.source_id, found.duration_seconds) == ("youtube abc", 9)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"http_chunk_size": 10485760}, 10485760),
        ({"http_chunk_size": -1}, 0),
        ({"http_chunk_size": "x"}, 0),
        ({}, 0),
        (None, 0),
        (3, 0),
    ],
)
def test_a_site_that_wants_to_be_asked_in_pieces(given: Any, wanted: int) -> None:
    """The size of requests that yt-dlp names for a file goes on; it means nothing for a manifest."""
    found = read({"extractor": "x", "id": "1", **VIDEO, "downloader_options": given})
    assert isinstance(found, Media)
    assert found.inputs[0].request_bytes == wanted
    found = read({"extractor": "x", "id": "1", **AUDIO, "downloader_options": given})
    assert isinstance(found, Media)
    assert found.inputs[0].request_bytes == 0


@pytest.mark.parametrize(
    "change",
    [
        {"url": "file:///etc/passwd"},
        {"url": "concat:a|b"},
        {"url": "/etc/passwd"},
        {"url": None},
        {"url": "https://"},
        {"protocol": "rtmp", "is_live": True},
        {"protocol": "http_dash_segments", "is_live": True},
        {"http_headers": {"X": "a\r\nHost: b"}},
        {"http_headers": {"X: Y": "a"}},
        {"http_headers": {"X": 1}},
    ],
)
def test_only_http_goes_on_to_ffmpeg(change: dict[str, Any]) -> None:
    """URLs that are not http(s), other protocols and headers with line breaks are refused."""
    with pytest.raises(ResolveError):
        read({"extractor": "x", "id": "1", **VIDEO, **change})


def test_entries_without_an_address_are_left_out() -> None:
    """A list has the entries with an http(s) page or URL, without private, deleted and upcoming ones."""
    entries = [
        {"url": "https://example.org/1", "title": "One"},
        {"url": "abc", "title": "Bare id"},
        {"url": "https://example.org/2", "title": "[Private video]"},
        {"url": "https://example.org/3", "live_status": "is_upcoming"},
        {"url": "https://cdn.example.org/4.mp4", "webpage_url": "https://example.org/4"},
        {"url": "https://cdn.example.org/5.mp4", "webpage_url": ITEM.locator},
        None,
    ]
    found = read({"_type": "playlist", "entries": entries})
    assert isinstance(found, Expansion)
    assert [one.locator for one in found.children] == [
        "https://example.org/1",
        "https://example.org/4",
        "https://cdn.example.org/5.mp4",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [
        "_type",
        "entries",
        "url",
        "protocol",
        "requested_formats",
        "http_headers",
        "cookies",
        "formats",
        "fragments",
        "filesize",
        "title",
        "duration",
    ]
)


@given(st.dictionaries(names, json_values) | json_values)
@settings(deadline=None)
def test_no_answer_crashes_the_reader(answer: Any) -> None:
    """Any JSON gives Media, Expansion or ResolveError."""
    try:
        found = read(answer)
    except ResolveError:
        return
    if isinstance(found, Media):
        assert all(one.location.startswith(("http://", "https://")) or one.download for one in found.inputs)


@pytest.mark.parametrize(
    ("url", "expires"),
    [
        ("https://x/v?expire=1800000000&sig=a", 1800000000),
        ("https://x/v?Expires=1800000000&Signature=a", 1800000000),
        ("https://x/api/manifest/hls_playlist/expire/1800000000/ei/x/playlist.m3u8", 1800000000),
        ("https://x/v?X-Amz-Date=20270115T080000Z&X-Amz-Expires=3600", 1800003600),
        ("https://x/v?X-Goog-Date=20270115T080000Z&X-Goog-Expires=60", 1800000060),
        ("https://x/v?hdnts=st=1799990000~exp=1800000000~acl=/*", 1800000000),
        ("https://x/v?expires=1800000000000", 1800000000),
        ("https://x/v?expires=3600", None),
        ("https://x/v?expire=soon", None),
        ("https://x/v", None),
    ],
)
def test_expiry(url: str, expires: float | None) -> None:
    """The expiry is read from the usual kinds of signed URLs; durations and words are not read as times."""
    assert expires_wall(url) == expires


@pytest.mark.parametrize(
    "text",
    [
        "--exec rm",
        "--config-locations /tmp/x",
        "--plugin-dirs /tmp",
        "-o out.mp4",
        "--netrc-cmd x",
        "--cookies x",
        "--proxy http://u:p@h",
        "--no-check-certificates",
        "--enable-file-urls",
        "--add-headers Cookie:a=b",
        "--add-headers Authorization:x",
        "--socket-timeout abc",
        "--socket-timeout",
        "--force-ipv4=1",
        "https://example.org/other",
        "--extractor-args 'unclosed",
        "--sub-langs x",
    ],
)
def test_ytdlp_args_refused(text: str) -> None:
    """Options outside the allow list are refused by name, bad quoting too."""
    with pytest.raises(ConfigError) as caught:
        parse_ytdlp_args(text)
    assert all(problem.startswith("YTDLP_ARGS: ") for problem in caught.value.problems)


def test_ytdlp_args_allowed() -> None:
    """Allowed options come out as single words, short names in full."""
    text = (
        "-4 --extractor-args 'youtube:player_client=tv,web' -S res:480 --add-headers \"Referer:https://example.org/\""
    )
    assert parse_ytdlp_args(text) == (
        "--force-ipv4",
        "--extractor-args=youtube:player_client=tv,web",
        "--format-sort=res:480",
        "--add-headers=Referer:https://example.org/",
    )


@given(st.text(max_size=80))
@settings(deadline=None)
def test_ytdlp_args_never_crash(text: str) -> None:
    """Any text gives words that start with an allowed option, or a ConfigError."""
    try:
        words = parse_ytdlp_args(text)
    except ConfigError:
        return
    assert all(word.startswith("--") for word in words)


def test_what_the_operator_cannot_override() -> None:
    """Arguments override the defaults, and never what keeps yt-dlp from reading or running anything else."""
    shared = shared_words(arguments=("--socket-timeout=3", "--format-sort=res:480"))
    assert shared.index("--socket-timeout=15") < shared.index("--socket-timeout=3") < shared.index("--ignore-config")
    words = resolve_words(
        maximum_height=720, frame_rate=RATE, most_children=5, proxy="socks5://u:p w@h:1", shared=shared
    )
    assert "--proxy=socks5://u:p w@h:1" in words
    assert {"--no-plugin-dirs", "--no-remote-components", "--no-cache-dir", "--no-download"} <= set(words)


def test_every_address_of_an_answer_is_known() -> None:
    """The addresses that reading and downloading begin with, which a link from the chat must have on the public internet."""
    fragments = [{"url": "https://d.example/1.m4s"}, {"path": "2.m4s"}]
    dash = {
        **VIDEO,
        "manifest_url": "https://b.example/x.mpd",
        "fragment_base_url": "https://c.example/",
        "fragments": fragments,
    }
    assert addresses({"requested_formats": [dash, AUDIO]}) == [
        VIDEO["url"],
        "https://b.example/x.mpd",
        "https://c.example/",
        "https://d.example/1.m4s",
        AUDIO["url"],
    ]
    assert addresses(VIDEO) == [VIDEO["url"]]
