"""Downloads reach what pages reach: through HTTP and SOCKS proxies, and with the cookies that the page has set."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from stands.http_proxy import HOST, http_proxy
from stands.site import Site
from stands.spooling import real_resolver, resolver, same_bytes, spooling, url_item
from stands.telegram_proxy import SOCKS_PASSWORD, SOCKS_USER, socks_proxy
from tg_video_streamer.resolve.media import Media


async def test_a_download_goes_through_the_http_proxy(clips: Path, tmp_path: Path) -> None:
    """The media of a page that only a proxy with a password reaches are downloaded through it."""
    with Site() as site, http_proxy(site.port) as proxy:
        site.file("/clip.mp4", clips / "first.mp4")
        item = url_item(f"http://{HOST}/clip.mp4")
        ask = real_resolver(tmp_path, proxy=proxy.url)
        async with spooling(tmp_path, ask=ask, wanted=[item]) as running:
            await running.whole(item)
            path = running.entry(item).local().inputs[0].location
    assert same_bytes(path, clips / "first.mp4")


async def test_a_proxy_that_is_refused_the_media_rests(clips: Path, tmp_path: Path) -> None:
    """Where a site answers the page and refuses the media, the download comes through the next proxy, and so do others."""
    with Site() as site, http_proxy(site.port) as bad, http_proxy(site.port) as good:
        bad.refuses = "/clip.mp4"
        site.file("/clip.mp4", clips / "first.mp4")
        site.page("/watch", "/clip.mp4")
        item = url_item(f"http://{HOST}/watch")
        asked = resolver(tmp_path, proxy=f"*={bad.url},{good.url}")
        async with spooling(tmp_path, ask=asked.resolve, ended=asked.download_ended, wanted=[item]) as running:
            await running.whole(item)
            path = running.entry(item).local().inputs[0].location
            paths = [path for path, _ in bad.carried]
            assert isinstance(await asked.resolve(item), Media)
    assert same_bytes(path, clips / "first.mp4")
    assert [path for path, _ in bad.carried] == paths == ["/watch"]
    assert [path for path, _ in good.carried if path == "/clip.mp4"]


async def test_a_download_goes_through_the_socks_proxy(clips: Path, tmp_path: Path) -> None:
    """A SOCKS proxy, which ffmpeg cannot use, carries the page and all bytes of the media."""
    with Site() as site, socks_proxy() as proxy:
        site.file("/clip.mp4", clips / "first.mp4")
        item = url_item(site.url("/clip.mp4"))
        user = f"{SOCKS_USER}:{quote(SOCKS_PASSWORD)}"
        ask = real_resolver(tmp_path, proxy=f"socks5h://{user}@127.0.0.1:{proxy.port}")
        async with spooling(tmp_path, ask=ask, wanted=[item]) as running:
            await running.whole(item)
            path = running.entry(item).local().inputs[0].location
        assert proxy.connections >= 2
    assert same_bytes(path, clips / "first.mp4")


async def test_a_download_brings_the_cookies_of_its_page(clips: Path, tmp_path: Path) -> None:
    """Media that need a cookie which their page sets are downloaded with it."""
    with Site() as site:
        site.file("/clip.mp4", clips / "first.mp4", cookie="ticket=42")
        site.page("/watch", "/clip.mp4", set_cookie="ticket=42; Path=/")
        item = url_item(site.url("/watch"))
        async with spooling(tmp_path, wanted=[item]) as running:
            await running.whole(item)
            path = running.entry(item).local().inputs[0].location
    assert same_bytes(path, clips / "first.mp4")
