"""Publishing URLs: taken apart as servers expect, and never shown."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.rtmp.address import parse_rtmp_url


@pytest.mark.parametrize(
    ("url", "place", "tc_url", "key"),
    [
        ("rtmp://a/live/k", "rtmp://a:1935", "rtmp://a/live", "k"),
        ("rtmp://a:1940/live/more/k", "rtmp://a:1940", "rtmp://a:1940/live/more", "k"),
        (
            "rtmps://dc4-1.rtmp.t.me/s/123:Ab-c_",
            "rtmps://dc4-1.rtmp.t.me:443",
            "rtmps://dc4-1.rtmp.t.me/s",
            "123:Ab-c_",
        ),
        ("rtmp://a/live/k?user=u&pass=a/b", "rtmp://a:1935", "rtmp://a/live", "k?user=u&pass=a/b"),
        ("rtmp://[::1]:1936/live/k", "rtmp://[::1]:1936", "rtmp://[::1]:1936/live", "k"),
    ],
)
def test_parts(url: str, place: str, tc_url: str, key: str) -> None:
    """The last part of the path, with its query, is the key; the rest is where it goes."""
    address = parse_rtmp_url(url)
    assert (address.place, address.tc_url, address.key) == (place, tc_url, key)


@pytest.mark.parametrize(
    "url",
    ["rtmp://a/secret", "rtmp://a/live/", "rtmp:///live/secret", "http://a/live/secret", "rtmp://a:x/live/secret",
     "rtmp://u:secret@a/live/k", "rtmp://[a/live/secret", "secret"],
)  # fmt: skip
def test_bad_ones_are_named_without_their_secret(url: str) -> None:
    """What is wrong is said, and the key is not."""
    with pytest.raises(ConfigError) as caught:
        parse_rtmp_url(url)
    assert caught.value.problems
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_problem(text: str) -> None:
    """Whatever an operator pastes is taken or refused with ConfigError."""
    for url in (text, f"rtmp://{text}"):
        with contextlib.suppress(ConfigError):
            assert parse_rtmp_url(url).key


def test_the_key_is_not_in_repr() -> None:
    """Neither key nor application is in what a log would print."""
    assert "Hidden" not in repr(parse_rtmp_url("rtmps://a/appHidden/keyHidden?tokenHidden"))
