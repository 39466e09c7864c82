"""YTDLP_PROXY by site."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.virtual_time import SetClock
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.resolve.proxies import RESTS, Proxies, parse_proxies

SITES = st.sampled_from(["youtube.com", "vimeo.com", "*"])
PROXIES = st.sampled_from(["http://a:1", "socks5://b:2", "socks5h://me:secret@c:3", "direct"])


def test_one_proxy_serves_every_site() -> None:
    """A single URL, as before, is the proxy of all sites."""
    proxies = Proxies(parse_proxies("http://a:1"), clock=SetClock())
    assert {proxies.choose(url) for url in ("https://youtube.com/x", "http://10.0.0.1/y", "no address")} == {
        "http://a:1"
    }


def test_sites_have_their_own_proxies() -> None:
    """A site and its subdomains use their own proxy; `direct` uses none, and `*` is for the rest."""
    proxies = Proxies(parse_proxies("YouTube.com=socks5://a:1 vimeo.com=direct *=http://b:2"), clock=SetClock())
    assert proxies.choose("https://www.youtube.com/watch?v=1") == "socks5://a:1"
    assert proxies.choose("https://vimeo.com/1") == ""
    assert proxies.choose("https://notyoutube.com/") == "http://b:2"
    assert Proxies({}, clock=SetClock()).choose("https://x.org") == ""


def test_several_are_used_in_turn_and_rest_after_a_refusal() -> None:
    """Requests go round; a refused proxy is left out until it has rested, and a working one is used at once again."""
    clock = SetClock()
    proxies = Proxies(parse_proxies("youtube.com=http://a:1,http://b:2,http://c:3"), clock=clock)
    url = "https://youtu.youtube.com/1"
    assert [proxies.choose(url) for _ in range(4)] == ["http://a:1", "http://b:2", "http://c:3", "http://a:1"]
    proxies.refused(url, "http://b:2")
    assert "http://b:2" not in [proxies.choose(url) for _ in range(6)]
    clock.now += RESTS.first
    assert "http://b:2" in [proxies.choose(url) for _ in range(3)]


def test_when_all_rest_the_one_that_is_free_first_is_used() -> None:
    """A site is never left without a proxy: the one whose rest ends first goes."""
    clock = SetClock()
    proxies = Proxies(parse_proxies("*=http://a:1,http://b:2"), clock=clock)
    proxies.refused("https://x.org", "http://b:2")
    clock.now += 10
    proxies.refused("https://x.org", "http://a:1")
    assert [proxies.choose("https://x.org") for _ in range(3)] == ["http://b:2"] * 3
    proxies.refused("https://x.org", "http://b:2")
    assert proxies.choose("https://x.org") == "http://a:1", "the second rest in a row is longer"
    proxies.worked("https://x.org", "http://b:2")
    assert proxies.choose("https://x.org") == "http://b:2"


def test_a_page_that_answers_does_not_forgive_a_refused_download() -> None:
    """A proxy that is refused the media rests longer each time, though pages answer through it, until a download is whole."""
    clock, url = SetClock(), "https://x.org"
    proxies = Proxies(parse_proxies("*=http://a:1,http://b:2"), clock=clock)
    for rest in (RESTS.pause(1), RESTS.pause(2)):
        proxies.refused(url, "http://a:1", download=True)
        proxies.worked(url, "http://a:1")
        clock.now += rest - 1
        assert {proxies.choose(url) for _ in range(3)} == {"http://b:2"}
        clock.now += 1
        assert "http://a:1" in {proxies.choose(url) for _ in range(3)}
    proxies.refused(url, "http://a:1", download=True)
    proxies.worked(url, "http://a:1", download=True)
    assert "http://a:1" in {proxies.choose(url) for _ in range(3)}


@given(st.dictionaries(SITES, st.lists(PROXIES, min_size=1, max_size=3)))
def test_every_well_formed_text_is_read(routes: dict[str, list[str]]) -> None:
    """Whatever sites and proxies are named are found again."""
    text = " ".join(f"{site}={','.join(proxies)}" for site, proxies in routes.items())
    assert parse_proxies(text) == {
        site: tuple("" if one == "direct" else one for one in proxies) for site, proxies in routes.items()
    }


@pytest.mark.parametrize(
    "text",
    ["ftp://SECRET:1", "youtube.com=", "youtube.com=http://SECRET,", "a.org=direct a.org=http://SECRET", "SECRET"],
)
def test_a_wrong_word_is_named_by_its_number(text: str) -> None:
    """Each wrong word is reported without its text, which may hold a password."""
    with pytest.raises(ConfigError) as caught:
        parse_proxies(f"x.org=http://ok:1 {text}")
    assert "word " in str(caught.value)
    assert "SECRET" not in str(caught.value)
