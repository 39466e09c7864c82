"""Which proxy reaches a site: YTDLP_PROXY by site, in turn over several, each rested after a refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ConfigError

DIRECT = "direct"
"""In YTDLP_PROXY: without a proxy."""
ANY_SITE = "*"
RESTS = Backoff(first=60.0, longest=3600.0)
"""How long a proxy rests after its n-th refusal in a row by a site."""

_ROUTE = re.compile(r"(\*|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)=(.*)")
_PROXY = re.compile(r"(?:https?|socks4a?|socks5h?)://[^\s,]+", re.IGNORECASE)


def parse_proxies(text: str) -> dict[str, tuple[str, ...]]:
    """`PROXY`, or `youtube.com=PROXY,PROXY vimeo.com=direct *=PROXY`, as proxies by site; an empty one stands for direct.

    Raises ConfigError with a line for each word that is wrong, which never repeats the word: it may hold a password.
    """
    routes: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for number, word in enumerate(text.split(), 1):
        found = _ROUTE.fullmatch(word)
        site, given = (found[1].lower(), found[2]) if found else (ANY_SITE, word)
        proxies = tuple("" if one == DIRECT else one for one in given.split(","))
        if site in routes:
            problems.append(f"YTDLP_PROXY: word {number} names a site a second time; separate its proxies with commas")
        elif all(proxy == "" or _PROXY.fullmatch(proxy) for proxy in proxies) and all(given.split(",")):
            routes[site] = proxies
        else:
            problems.append(
                f"YTDLP_PROXY: word {number} must be a URL that begins with http:// or socks5://, or SITE=URL,URL or SITE=direct"
            )
    if problems:
        raise ConfigError(problems)
    return routes


class Proxies:
    """Chooses the proxy for each request to a site; its memory is that of the process."""

    def __init__(self, routes: Mapping[str, tuple[str, ...]], *, clock: Clock) -> None:
        """`routes` come from `parse_proxies`."""
        self._routes = dict(routes)
        self._clock = clock
        self._turns: dict[str, int] = {}
        self._refusals: dict[tuple[str, str, bool], tuple[int, float]] = {}

    def choose(self, url: str) -> str:
        """The proxy for `url`, empty for none: the next one in turn that does not rest, else the one that rests least."""
        site = self._site(url)
        proxies = self._routes.get(site, ("",))
        turn = self._turns.get(site, 0)
        in_turn = [proxies[(turn + step) % len(proxies)] for step in range(len(proxies))]
        now = self._clock.monotonic()
        chosen = min(in_turn, key=lambda proxy: max(0.0, self._rests_until(site, proxy) - now))
        self._turns[site] = proxies.index(chosen) + 1
        return chosen

    def refused(self, url: str, proxy: str, *, download: bool = False) -> None:
        """The site of `url` refused `proxy`, or the proxy did not answer: it rests. `download`: not the page, the media."""
        key = (self._site(url), proxy, download)
        refusals = self._refusals.get(key, (0, 0.0))[0] + 1
        self._refusals[key] = (refusals, self._clock.monotonic() + RESTS.pause(refusals))

    def worked(self, url: str, proxy: str, *, download: bool = False) -> None:
        """`proxy` reached the site of `url`; a page that answers says nothing of the media."""
        self._refusals.pop((self._site(url), proxy, download), None)

    def _rests_until(self, site: str, proxy: str) -> float:
        return max(self._refusals.get((site, proxy, download), (0, 0.0))[1] for download in (False, True))

    def _site(self, url: str) -> str:
        host = site_host(url)
        names = [".".join(host.split(".")[at:]) for at in range(host.count(".") + 1)]
        return next((name for name in names if name in self._routes), ANY_SITE)


def site_host(url: str) -> str:
    """The host of `url` in lower case; empty where it has none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
