"""Input arguments show no secret, open nothing else, and accept any URL."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tg_video_streamer.ffmpeg.inputs import (
    dropped_headers,
    file_input,
    library_options,
    manifest_input,
    manifest_script,
    plain_manifest,
    script_input,
    url_script,
)

PRINTABLE = some.text(string.printable.strip() + " ", max_size=60)


@given(rest=PRINTABLE)
def test_url_stays_one_quoted_word_of_its_script(rest: str) -> None:
    """Any URL is one word of one line: it cannot add a directive."""
    script = url_script(f"https://host/{rest}", {}).decode()
    (line,) = [one for one in script.split("\n") if one.startswith("file ")]
    word = line.removeprefix("file ")
    assert word[0] == word[-1] == "'"
    assert word[1:-1].replace("'\\''", "'") == f"https://host/{rest}"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "/etc/passwd", "concat:a|b", "http://a/\nfile '/etc/passwd'", "pipe:0"]
)
def test_other_locations_are_refused(url: str) -> None:
    """Nothing but one http or https URL gets into a script."""
    with pytest.raises(ValueError, match=r"only http|control character"):
        url_script(url, {})
    with pytest.raises(ValueError, match=r"only http|control character"):
        manifest_script(url)


def test_header_cannot_smuggle_another() -> None:
    """A header with a line break in it is refused."""
    with pytest.raises(ValueError, match="control character"):
        url_script("https://host/", {"Cookie": "a=b\r\nX-Other: c"})


def test_headers_by_importance() -> None:
    """User agent and referer have options of their own, one more header fits, and the rest is named."""
    headers = {"X-Some": "1", "User-Agent": "Mine", "Referer": "http://r/", "Accept": "*/*", "Cookie": "a=b"}
    script = url_script("https://host/", headers).decode()
    assert "option headers 'Cookie: a=b'\n" in script
    assert "option user_agent 'Mine'\n" in script
    assert "option referer 'http://r/'\n" in script
    assert dropped_headers(headers) == ["X-Some"]
    assert "X-Some: 1\r\n" in library_options(is_file=False, headers=headers)["headers"]


def test_command_line_names_no_url() -> None:
    """Only the number of a descriptor and the position are on the command line."""
    assert script_input(7, seek_seconds=5.0)[-4:] == ["-ss", "4.998000", "-i", "pipe:7"]
    assert manifest_input(8)[-2:] == ["-i", "pipe:8"]


def test_file_opens_files_only() -> None:
    """A local file is opened by any path, only with the protocol file and without list demuxers."""
    words = file_input("/media/http://x|%d.mp4")
    assert words[-1] == "file:/media/http://x|%d.mp4"
    assert words[words.index("-protocol_whitelist") + 1] == "file"
    formats = words[words.index("-format_whitelist") + 1].split(",")
    assert not {"hls", "concat", "dash", "lavfi", "sdp", "rtsp", "tee"} & set(formats)
    assert file_input("/a.png", still_format="image2")[4:8] == ["-f", "image2", "-pattern_type", "none"]


def test_plain_manifest_needs_no_header() -> None:
    """HLS is opened without the concat demuxer unless a header must be sent."""
    assert plain_manifest("hls", {"User-Agent": "Mine", "Accept": "*/*"})
    assert not plain_manifest("hls", {"Cookie": "a=b"})
    assert not plain_manifest("hls", {"referer": "http://r/"})
    assert not plain_manifest("mov", {})
