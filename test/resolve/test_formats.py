"""Which formats are chosen, and that each of them can be downloaded from what the resolver has found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from yt_dlp.extractor.common import InfoExtractor

from stands.dash import cut_dash
from stands.house import RATE
from stands.site import Segments, Site
from tg_video_streamer.errors import ToolBehind
from tg_video_streamer.resolve.arguments import formats as selector
from tg_video_streamer.resolve.arguments import resolve_words, shared_words
from tg_video_streamer.resolve.media import Expansion, Fetcher, Media, MediaInput
from tg_video_streamer.resolve.ytdlp_child import Log, open_ytdlp

Resolve = Callable[..., Media | Expansion]

DOWNLOAD = """
import json, sys
from tg_video_streamer.resolve.ytdlp_child import Log, open_ytdlp
request = json.load(sys.stdin)
ytdlp, _ = open_ytdlp(request, Log())
with ytdlp:
    ok, _ = ytdlp.dl(sys.argv[1], request["info"])
sys.exit(not ok)
"""


def formats(*given: str, live: bool = False, house: int = 720, languages: tuple[str, ...] = ()) -> str:
    """The ids that are chosen of formats such as `720p50 h264+aac https`, joined by a plus.

    A fourth word is what the site says of the sound: `ru`, or with its note and preference `ru,dubbed,-1`.
    """

    class _Site(InfoExtractor):  # type: ignore[misc]  # yt-dlp has no types
        _VALID_URL = r"https://formats\.example/"

        def _real_extract(self, url: str) -> dict[str, Any]:
            return {"id": "1", "title": "x", "is_live": live, "formats": [_format(one, url) for one in given]}

    words = resolve_words(maximum_height=house, frame_rate=RATE, most_children=5, shared=shared_words())
    wanted = {"format": selector(languages), "live_format": selector(languages, live=True)}
    ytdlp, _ = open_ytdlp({"words": words, **wanted}, Log())
    with ytdlp:
        extractor = _Site()
        ytdlp.add_info_extractor(extractor)
        found = ytdlp.extract_info("https://formats.example/", download=False, ie_key=extractor.ie_key())
    return str(found["format_id"]) if found else ""


def _format(text: str, url: str) -> dict[str, Any]:
    size, codecs, protocol, said = (*text.split(), "")[:4]
    language, note, preference = (*said.split(","), "", "")[:3]
    video, _, audio = codecs.partition("+")
    height, _, rate = size.partition("p")
    return {
        "format_id": text.replace(" ", "-").replace("+", "&"),
        "url": f"{url}{text}",
        "ext": "mp4",
        **({"language": language} if language else {}),
        **({"format_note": note} if note else {}),
        **({"language_preference": int(preference)} if preference else {}),
        "protocol": protocol,
        "vcodec": video or "none",
        "acodec": audio or "none",
        **(
            {"height": int(height), "width": int(height) * 16 // 9, "fps": float(rate or 25)} if video else {"abr": 128}
        ),
    }


_PICTURE = "720p25 h264 https"


@pytest.mark.parametrize(
    ("languages", "given", "chosen"),
    [
        ((), ["en,original,10", "ru,dubbed,-1"], "en,original,10"),
        ((), ["ru,dubbed,-1", "en,original,10"], "en,original,10"),
        (("ru",), ["en,original,10", "ru,dubbed,-1"], "ru,dubbed,-1"),
        (("ru",), ["en", "rus"], "rus"),
        (("ru",), ["en", "ru-RU"], "ru-RU"),
        (("de",), ["en", "ger"], "ger"),
        (("ru",), ["run", "en,,5"], "en,,5"),
        (("ru", "en"), ["fr,,10", "en"], "en"),
        (("original",), ["en,Original", "ru,,10"], "en,Original"),
        (("original",), ["ru,Dubbed,10", "en"], "en"),
        (("original", "ru"), ["ru,,-1", "en,,10"], "en,,10"),
        (("ru",), ["ru,descriptive,10", "ru"], "ru"),
        (("ru",), ["ru,descriptive,10", "en"], "en"),
        (("pt",), ["en", "pt-BR"], "pt-BR"),
    ],
)
def test_the_language_of_the_sound(languages: tuple[str, ...], given: list[str], chosen: str) -> None:
    """The sound is in the first wanted language that the site has, the original before a dubbing, and no description."""
    found = formats(_PICTURE, *(f"0p +aac https {said}" for said in given), languages=languages)
    assert found == f"{_PICTURE}+0p +aac https {chosen}".translate(str.maketrans(" ,", "-_")).replace("+aac", "&aac")


def test_one_format_with_picture_and_sound_in_the_language() -> None:
    """Where picture and sound come together, the one in the wanted language is taken."""
    given = ["720p25 h264+aac https en", "720p25 h264+aac https ru"]
    assert formats(*given, languages=("ru",)) == "720p25-h264&aac-https-ru"


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (["360p25 h264+aac https", "720p25 h264+aac https", "1080p25 h264+aac https"], "720p25-h264&aac-https"),
        (["1080p25 h264+aac https", "2160p25 h264+aac https"], "1080p25-h264&aac-https"),
        (["480p25 h264+aac https", "720p60 h264+aac https"], "720p60-h264&aac-https"),
        (["720p60 h264+aac https", "720p25 h264+aac https"], "720p25-h264&aac-https"),
        (["720p60 h264+aac https", "720p30 vp9+aac https"], "720p30-vp9&aac-https"),
        (["720p12 h264+aac https", "720p30 h264+aac https"], "720p30-h264&aac-https"),
        (["720p25 vp9+aac https", "720p25 av01+aac https", "720p25 h264+aac https"], "720p25-h264&aac-https"),
        (["720p25 h264 https", "0p +aac https"], "720p25-h264-https+0p-&aac-https"),
        (["480p25 h264+aac https", "720p25 h264+aac http_dash_segments"], "720p25-h264&aac-http_dash_segments"),
        (["480p25 h264+aac https", "720p25 h264+aac m3u8_native"], "720p25-h264&aac-m3u8_native"),
        (["480p25 h264+aac https", "720p25 h264+aac ism"], "720p25-h264&aac-ism"),
        (["480p25 h264+aac https", "720p25 h264+aac rtmp"], "480p25-h264&aac-https"),
        (["480p25 h264+aac https", "720p25 h264+aac http_dash_segments_generator"], "480p25-h264&aac-https"),
        (["480p25 h264+aac https", "720p25 h264+aac mhtml"], "480p25-h264&aac-https"),
        (["0p +aac https"], "0p-&aac-https"),
        (["720p25 h264+aac rtmp"], ""),
    ],
)
def test_the_choice(given: list[str], chosen: str) -> None:
    """The best picture within the house, its frame rate first, H.264 before VP9 and AV1, by any protocol that is downloaded."""
    assert formats(*given) == chosen
    assert formats(*reversed(given)) == chosen


def test_what_is_live_is_read_directly() -> None:
    """A live item gets what ffmpeg can open, even if fragments would look better."""
    given = ["480p25 h264+aac m3u8_native", "720p25 h264+aac http_dash_segments"]
    assert formats(*given, live=True) == "480p25-h264&aac-m3u8_native"
    assert formats(given[1], live=True) == ""


def downloaded(one: MediaInput, target: Path) -> Path:
    """The file that yt-dlp makes of a download's request, in a child that knows nothing else."""
    assert one.download is not None
    assert one.download.fetcher is Fetcher.YTDLP
    path = target / f"download.{one.download.suffix}"
    command = [sys.executable, "-I", "-c", DOWNLOAD, str(path)]
    subprocess.run(command, input=one.download.request.encode(), check=True, stdout=subprocess.DEVNULL)
    return path


def counted(path: Path, kind: str) -> int:
    """How many pictures or sound packets can be decoded."""
    command = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        kind,
        "-count_frames",
        "-of",
        "json",
        "-show_streams",
        str(path),
    ]
    done = subprocess.run(command, check=True, capture_output=True)
    return sum(int(stream["nb_read_frames"]) for stream in json.loads(done.stdout)["streams"])


def inputs_of(found: Media | Expansion) -> tuple[MediaInput, ...]:
    """The inputs of what is no list."""
    assert isinstance(found, Media)
    return found.inputs


def test_dash_in_segments_is_downloaded(site: Site, clip: Path, tmp_path: Path, resolve: Resolve) -> None:
    """Fragments that only yt-dlp can put together have no location, and their download gives every picture and sound."""
    address = cut_dash(clip, tmp_path / "dash").serve(site, "/dash")
    picture, sound = inputs_of(resolve(address))
    assert (picture.location, sound.location) == ("", "")
    assert ((picture.has_video, picture.has_audio), (sound.has_video, sound.has_audio)) == (
        (True, False),
        (False, True),
    )
    assert picture.download is not None
    assert picture.download.size_bytes is None
    assert "dash" not in repr(picture)
    (tmp_path / "sound").mkdir()
    assert counted(downloaded(picture, tmp_path), "v") == 75
    assert counted(downloaded(sound, tmp_path / "sound"), "a") >= counted(clip, "a")


ONE_FILE = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S" minBufferTime="PT2S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="v" codecs="avc1.64000c" bandwidth="250000" width="320"
height="180" frameRate="25"><BaseURL>video.mp4</BaseURL><SegmentBase indexRange="800-900"/></Representation>
</AdaptationSet></Period></MPD>"""


def test_dash_in_one_file_is_read_directly(site: Site, clip: Path, tmp_path: Path, resolve: Resolve) -> None:
    """One file with an index is a plain file, which can be read as it is or downloaded."""
    video = tmp_path / "video.mp4"
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(clip), "-an", "-c", "copy"]
    subprocess.run([*command, "-movflags", "+dash+global_sidx", str(video)], check=True)
    site.file("/one/video.mp4", video)
    site.text("/one/index.mpd", ONE_FILE, "application/dash+xml")
    (picture,) = inputs_of(resolve(site.url("/one/index.mpd")))
    assert picture.location == site.url("/one/video.mp4")
    assert counted(downloaded(picture, tmp_path), "v") == 75


def test_hls_is_downloaded(site: Site, segments: Segments, tmp_path: Path, resolve: Resolve) -> None:
    """A recorded HLS stream can be read directly and downloaded, a live one only read."""
    site.hls("/vod/index.m3u8", segments)
    site.live("/live/index.m3u8", segments)
    (recorded,) = inputs_of(resolve(site.url("/vod/index.m3u8")))
    assert recorded.location
    assert counted(downloaded(recorded, tmp_path), "v") == 75
    (live,) = inputs_of(resolve(site.url("/live/index.m3u8")))
    assert live.location
    assert live.download is None


def test_a_download_starts_no_other_program(
    site: Site, segments: Segments, tmp_path: Path, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What yt-dlp would hand over to ffmpeg, with the address on its command line, fails instead."""
    site.hls("/vod/index.m3u8", segments)
    manifest = (segments.folder / "index.m3u8").read_text()
    key = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key"\n#EXTINF'
    site.text("/vod/index.m3u8", manifest.replace("#EXTINF", key, 1), "application/vnd.apple.mpegurl")
    (recorded,) = inputs_of(resolve(site.url("/vod/index.m3u8")))
    (tmp_path / "bin").mkdir()
    for name in ("ffmpeg", "ffprobe"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/started\necho ffmpeg version 9\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(subprocess.CalledProcessError):
        downloaded(recorded, tmp_path)
    assert not (tmp_path / "started").exists()


def test_a_download_has_all_cookies(site: Site, clip: Path, tmp_path: Path, resolve: Resolve) -> None:
    """The operator's cookies and those that the page sets reach the file's server, with the size that it states."""
    site.file("/member.mp4", clip, cookie="visit=7")
    site.page("/watch", "/member.mp4", set_cookie="visit=7; Path=/; HttpOnly")
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tabc\n")
    (one,) = inputs_of(resolve(site.url("/watch"), cookies=cookies))
    assert counted(downloaded(one, tmp_path), "v") == 75
    sent = site.requests("/member.mp4")[-1].headers["cookie"]
    assert sorted(sent.split("; ")) == ["session=abc", "visit=7"]


def test_a_page_with_images_only(site: Site, resolve: Resolve) -> None:
    """A manifest without a format that can be played is a tool that is behind."""
    site.text("/empty.mpd", '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>', "application/dash+xml")
    with pytest.raises(ToolBehind):
        resolve(site.url("/empty.mpd"))
