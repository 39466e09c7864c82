"""Everything on the web, through the real yt-dlp, from a real HTTP server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from stands.http_proxy import HOST, http_proxy
from stands.ports import free_port
from stands.site import Segments, Site
from stands.waiting import wait_until
from tg_video_streamer.errors import ResolveError, SourceGone, ToolMissing
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.resolve.proxies import parse_proxies
from tg_video_streamer.resolve.resolver import Resolver, WebOptions
from tg_video_streamer.resolve.ytdlp import ytdlp_version

Resolve = Callable[..., Media | Expansion]


def media(found: Media | Expansion) -> Media:
    """`found`, which is not a list."""
    assert isinstance(found, Media)
    return found


def test_direct_file(site: Site, resolve: Resolve) -> None:
    """A link to a file gives its URL, the headers to send, and an id that differs between sites."""
    found = media(resolve(site.url("/clip.mp4")))
    (one,) = found.inputs
    assert one.location == site.url("/clip.mp4")
    assert not one.is_file
    assert (one.has_video, one.has_audio) == (True, True)
    assert "User-Agent" in one.headers
    assert (found.title, found.is_live, found.expires_wall) == ("clip", False, None)
    assert found.source_id.startswith("generic ")


def test_page_with_a_signed_link(site: Site, resolve: Resolve) -> None:
    """A page with a video gives the link in it, when that ends, and the cookies and referrer that belong to it."""
    site.page("/watch", "/clip.mp4", title="A film", lives_seconds=60, set_cookie="visit=7; Path=/; HttpOnly")
    item = Item(LocatorKind.URL, site.url("/watch"), title="Mine")
    found = media(resolve(item))
    (one,) = found.inputs
    assert one.location.startswith(site.url("/clip.mp4?token="))
    assert found.expires_wall == pytest.approx(time.time() + 60, abs=30)
    assert one.headers["Cookie"] == "visit=7"
    assert one.headers["Referer"] == site.url("/watch")
    assert found.title == "Mine"
    request = urllib.request.Request(one.location, headers=dict(one.headers))  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        assert len(answer.read()) > 1000
    assert "token=" not in repr(found)


def test_the_same_answer_is_equal(site: Site, resolve: Resolve) -> None:
    """A file that is where it was gives an equal answer, so that it is not probed again."""
    agent = ("--user-agent=Mozilla/5.0",)
    first, second = (media(resolve(site.url("/clip.mp4"), arguments=agent)) for _ in range(2))
    assert first.inputs == second.inputs
    assert first.inputs[0].download is not None


def test_recorded_and_live_hls(site: Site, segments: Segments, resolve: Resolve) -> None:
    """An HLS manifest is one item: recorded with its length, live without an end."""
    site.hls("/vod/index.m3u8", segments)
    live = site.live("/live/index.m3u8", segments)
    recorded = media(resolve(site.url("/vod/index.m3u8")))
    assert (recorded.is_live, recorded.duration_seconds) == (False, 3)
    assert media(resolve(site.url("/live/index.m3u8"))).is_live
    live.end()
    assert not media(resolve(site.url("/live/index.m3u8"))).is_live


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="main",DEFAULT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2",FRAME-RATE=30,AUDIO="a"
360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2",FRAME-RATE=30,AUDIO="a"
720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2500000,RESOLUTION=1280x720,CODECS="hvc1.1.6.L93.B0,mp4a.40.2",FRAME-RATE=30,AUDIO="a"
720-hevc.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,CODECS="avc1.4d4020,mp4a.40.2",FRAME-RATE=60,AUDIO="a"
720-60.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",FRAME-RATE=30,AUDIO="a"
1080.m3u8
"""


@pytest.mark.parametrize(("height", "chosen"), [(480, "/360.m3u8"), (720, "/720.m3u8"), (1080, "/1080.m3u8")])
def test_formats_for_the_quality(site: Site, resolve: Resolve, height: int, chosen: str) -> None:
    """Picture and sound come separately, no taller than wanted, H.264 before HEVC and 30 before 60 frames a second."""
    site.text("/master.m3u8", MASTER, "application/vnd.apple.mpegurl")
    picture, sound = media(resolve(site.url("/master.m3u8"), maximum_height=height)).inputs
    assert picture.location == site.url(chosen)
    assert sound.location == site.url("/audio.m3u8")
    assert (picture.has_audio, sound.has_video) == (False, False)


def test_several_videos_on_a_page(site: Site, resolve: Resolve) -> None:
    """A page with two videos is a list of the two, each with its own URL."""
    videos = '<video src="/clip.mp4"></video><video src="/other.mp4"></video>'
    site.text("/two", f"<html><body>{videos}</body></html>", "text/html")
    found = resolve(site.url("/two"))
    assert isinstance(found, Expansion)
    assert [one.locator for one in found.children] == [site.url("/clip.mp4"), site.url("/other.mp4")]


def test_lists_expand(site: Site, resolve: Resolve) -> None:
    """A feed and an M3U on the web give their items in order, with the line's own bounds; long ones are cut."""
    site.feed("/list.rss", ["/watch", "/clip.mp4", "/watch2"], title="A feed")
    item = Item(LocatorKind.URL, site.url("/list.rss"), start_seconds=5, volume=0.5)
    found = resolve(item, most_children=2)
    assert isinstance(found, Expansion)
    assert found.title == "A feed"
    assert [(one.locator, one.title) for one in found.children] == [
        (site.url("/watch"), "Item 1"),
        (site.url("/clip.mp4"), "Item 2"),
    ]
    assert {(one.start_seconds, one.volume) for one in found.children} == {(5, 0.5)}
    site.text("/list.m3u", f"#EXTM3U\n#EXTINF:3,One\n{site.url('/clip.mp4')}\n#EXTINF:3,Two\n{site.url('/watch')}\n")
    found = resolve(site.url("/list.m3u"))
    assert isinstance(found, Expansion)
    assert [one.locator for one in found.children] == [site.url("/clip.mp4"), site.url("/watch")]


def test_failures_are_distinguished(site: Site, resolve: Resolve) -> None:
    """What is gone is SourceGone; a broken server and a redirect loop may mend; each says so in one short line."""
    site.status("/broken", 500)
    site.redirect_loop("/loop")
    for path, kind in [("/missing", SourceGone), ("/broken", ResolveError), ("/loop", ResolveError)]:
        with pytest.raises(kind) as caught:
            resolve(site.url(path))
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)
        assert str(site.port) not in str(caught.value)
        assert caught.value.remedy


def test_no_server_listens(resolve: Resolve) -> None:
    """A refused connection may mend."""
    with pytest.raises(ResolveError) as caught:
        resolve("http://127.0.0.1:9/clip.mp4")
    assert type(caught.value) is ResolveError


def test_hanging_site_is_given_up(site: Site, resolve: Resolve) -> None:
    """A site that never answers costs the deadline and leaves no child behind."""
    site.hang("/hang")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(ResolveError, match="no answer within 3 s"):
        resolve(site.url("/hang"), deadline_seconds=3)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_no_ytdlp(tmp_path: Path, resolve: Resolve) -> None:
    """An interpreter without yt-dlp, and one that is not there, are tools that are missing, with what to do."""
    bare = tmp_path / "bare"
    bare.symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    for python in (str(bare), str(tmp_path / "none")):
        with pytest.raises(ToolMissing) as caught:
            resolve("http://127.0.0.1:9/", python=python)
        assert caught.value.remedy
        with pytest.raises(ToolMissing):
            asyncio.run(ytdlp_version(python))


def test_broken_ytdlp(tmp_path: Path, resolve: Resolve) -> None:
    """A yt-dlp that fails to start is distinguished from a failing source."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'Traceback (most recent call last):' >&2\necho 'ImportError: x' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ToolMissing, match="ImportError: x"):
        resolve("http://127.0.0.1:9/", python=str(broken))


def test_version() -> None:
    """The version is that of the installed yt-dlp."""
    assert asyncio.run(ytdlp_version()).startswith("20")


def test_no_secret_on_a_command_line(site: Site, tmp_path: Path) -> None:
    """Cookies, a proxy's password and a URL's password are on no command line, and cookies in no second file."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tCOOKIE-SECRET\n")
    original = cookies.read_bytes()
    site.hang("/hang")
    item = Item(LocatorKind.URL, site.url("/hang").replace("http://", "http://someone:URL-SECRET@"))
    seen: list[str] = []
    written: list[Path] = []

    def look() -> bool:
        for process in psutil.process_iter(["cmdline"]):
            seen.extend(process.info["cmdline"] or [])
        written.extend((tmp_path / "scratch").glob("**/*"))
        return bool(site.requests())

    async def scene() -> None:
        resolver = Resolver(
            allowed=lambda: AllowedFolders.of([tmp_path]),
            scratch_folder=tmp_path / "scratch",
            web=WebOptions(
                cookies=cookies,
                proxies=parse_proxies(f"http://user:PROXY-SECRET@127.0.0.1:{site.port}"),
                arguments=("--user-agent=AGENT-SECRET",),
            ),
        )
        task = asyncio.ensure_future(resolver.resolve(item))
        await asyncio.to_thread(wait_until, look, timeout=60, what="yt-dlp asks")
        look()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert any("ytdlp_child" in word for word in seen)
    assert not [word for word in seen if "-SECRET" in word]
    assert not written
    assert cookies.read_bytes() == original
    asked = site.requests()[0].headers
    assert asked["proxy-authorization"].startswith("Basic ")
    assert asked["user-agent"] == "AGENT-SECRET"


def test_cookies_are_sent_and_passed_on(site: Site, tmp_path: Path, resolve: Resolve) -> None:
    """The operator's cookies reach the site and go on to ffmpeg; those that the site sets do not reach the original."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tabc\n")
    original = cookies.read_bytes()
    site.page("/watch", "/clip.mp4", set_cookie="visit=7; Path=/; Max-Age=1000")
    found = media(resolve(site.url("/watch"), cookies=cookies))
    assert "session=abc" in site.requests("/watch")[0].headers["cookie"]
    assert sorted(found.inputs[0].headers["Cookie"].split("; ")) == ["session=abc", "visit=7"]
    assert cookies.read_bytes() == original


def test_missing_cookies_do_not_stop_anything(site: Site, tmp_path: Path, resolve: Resolve) -> None:
    """A cookies file that is not there is a warning."""
    assert media(resolve(site.url("/clip.mp4"), cookies=tmp_path / "none.txt")).inputs


async def test_a_proxy_that_fails_rests(site: Site, tmp_path: Path) -> None:
    """Two proxies take turns; the dead one is left out after its first failure, and the media keeps the one that asked."""
    with http_proxy(site.port) as proxy:
        dead = f"http://127.0.0.1:{free_port()}"
        resolver = Resolver(
            allowed=lambda: AllowedFolders.of([]),
            scratch_folder=tmp_path / "scratch",
            web=WebOptions(proxies=parse_proxies(f"{HOST}={dead},{proxy.url} *=direct")),
        )
        item = Item(LocatorKind.URL, f"http://{HOST}/clip.mp4")
        with pytest.raises(ResolveError):
            await resolver.resolve(item)
        found = [await resolver.resolve(item) for _ in range(3)]
    assert [one.proxy for one in found if isinstance(one, Media)] == [proxy.url] * 3


def test_cancelling_leaves_no_child(site: Site, tmp_path: Path) -> None:
    """A resolve that is cancelled takes its child with it at once."""
    site.hang("/hang")
    item: Item = Item(LocatorKind.URL, site.url("/hang"))

    async def scene() -> None:
        resolver = Resolver(allowed=lambda: AllowedFolders.of([tmp_path]), scratch_folder=tmp_path / "scratch")
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        task = asyncio.ensure_future(resolver.resolve(item))
        await asyncio.to_thread(wait_until, lambda: site.requests("/hang"), timeout=30, what="yt-dlp asks")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {child.pid for child in psutil.Process().children(recursive=True)} <= before

    asyncio.run(scene())


def test_cookies_in_another_form_do_not_stop_anything(site: Site, tmp_path: Path, resolve: Resolve) -> None:
    """A file that yt-dlp cannot read as cookies is a warning too."""
    cookies = tmp_path / "cookies.txt"
    cookies.write_text('[{"name": "session", "value": "abc"}]\n')
    assert media(resolve(site.url("/clip.mp4"), cookies=cookies)).inputs
    cookies.write_bytes(b"\xff\xfe# Netscape HTTP Cookie File\n")
    assert media(resolve(site.url("/clip.mp4"), cookies=cookies)).inputs


def test_ytdlp_is_loaded_by_its_children_only() -> None:
    """The service itself never imports yt-dlp, which takes 30 MB."""
    code = "import sys, tg_video_streamer.app.build; sys.exit('yt_dlp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
