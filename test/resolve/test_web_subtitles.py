"""Subtitles that a site has as files are downloaded by the real yt-dlp, and lie next to what is resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from stands.site import Site
from stands.subtitled import vtt
from tg_video_streamer.languages import preference_of
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.resolve.web_subtitles import WebSubtitles

Resolve = Callable[..., Media | Expansion]

_PAGE = """<html><body><video><source src="/clip.mp4" type="video/mp4">
<track kind="subtitles" srclang="en" src="/en.vtt"><track kind="subtitles" srclang="ru" src="/ru.vtt"></video></body></html>"""


def _page(site: Site) -> str:
    site.text("/film", _PAGE, "text/html")
    site.text("/ru.vtt", vtt(), "text/vtt")
    site.text("/en.vtt", "WEBVTT\n", "text/vtt")
    return site.url("/film")


def test_the_wanted_subtitles_lie_next_to_the_film(site: Site, resolve: Resolve, tmp_path: Path) -> None:
    """The subtitles in the wanted language are a local file of the media; the spool's media get them again."""
    url = _page(site)
    media = resolve(url, preference=preference_of("", "ru"))
    assert isinstance(media, Media)
    (file,) = media.subtitle_files
    assert Path(file).name == "ru.vtt"
    assert Path(file).read_text(encoding="utf-8") == vtt()

    async def spooled(_: Item) -> Media:
        return replace(media, subtitle_files=())

    stored = WebSubtitles(tmp_path / "scratch" / "subtitles").added_to(spooled)
    assert asyncio.run(_awaited(stored(Item(LocatorKind.URL, url)))) == media


def test_forced_subtitles_are_asked_for(site: Site, resolve: Resolve) -> None:
    """With `forced` the site's forced subtitles are taken and marked so; with a language, only where there are no whole ones."""
    site.text("/forced.vtt", vtt(), "text/vtt")
    page = _PAGE.replace('srclang="en" src="/en.vtt"', 'srclang="en-forced" src="/forced.vtt"')
    url = _page(site)
    site.text("/film", page, "text/html")
    for wish, name in (("forced", "en.forced.vtt"), ("en", "en.forced.vtt"), ("ru,en", "ru.vtt")):
        media = resolve(url, preference=preference_of("", wish))
        assert isinstance(media, Media)
        assert [Path(file).name for file in media.subtitle_files] == [name], wish


async def _awaited(found: Awaitable[Media | Expansion]) -> Media | Expansion:
    return await found


def test_other_subtitles_are_another_source(site: Site, resolve: Resolve) -> None:
    """A site that changes its subtitles has another film, so that cached encodes are made again; without a wish none are asked."""
    url = _page(site)
    plain = resolve(url)
    first = resolve(url, preference=preference_of("", "ru"))
    again = resolve(url, preference=preference_of("", "ru"))
    site.text("/ru.vtt", vtt().replace("мир", "город"), "text/vtt")
    second = resolve(url, preference=preference_of("", "ru"))
    assert isinstance(plain, Media)
    assert isinstance(first, Media)
    assert isinstance(second, Media)
    assert isinstance(again, Media)
    assert (again.source_id, again.subtitle_files) == (first.source_id, first.subtitle_files)
    assert plain.subtitle_files == ()
    assert len({plain.source_id, first.source_id, second.source_id}) == 3


def test_subtitles_that_are_missing_cost_nothing_else(site: Site, resolve: Resolve) -> None:
    """A film whose subtitles cannot be downloaded is resolved without them."""
    url = _page(site)
    site.text("/film", _PAGE.replace("/ru.vtt", "/gone.vtt"), "text/html")
    media = resolve(url, preference=preference_of("", "ru"))
    assert isinstance(media, Media)
    assert media.subtitle_files == ()
