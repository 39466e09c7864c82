"""What yt-dlp's own errors mean, raised by its real classes and read as the service reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    IncompleteRead,
    ProxyError,
    SSLError,
    TransportError,
)
from yt_dlp.utils import ExtractorError, GeoRestrictedError, RegexNotFoundError, UnsupportedError, UserNotLive

from tg_video_streamer.errors import ResolveError, SourceGone, ToolBehind
from tg_video_streamer.locales.translator import LANGUAGES, Translator
from tg_video_streamer.resolve.failure import (
    MEANINGS,
    OF_A_DOWNLOAD,
    Failure,
    Meaning,
    download_failure,
    failure,
    update_may_help,
)
from tg_video_streamer.resolve.ytdlp_child import Log, Ytdlp, answer, described

Raise = Callable[[InfoExtractor], object]
PAGE = "https://broken.example/watch"


class _Broken(InfoExtractor):  # type: ignore[misc]  # yt-dlp has no types
    """An extractor that fails as it is told."""

    _VALID_URL = r"https://broken\.example/.*"
    IE_NAME = "broken"
    raises: Raise

    def _real_extract(self, url: str) -> dict[str, Any]:
        found = self.raises(self)
        return found if isinstance(found, dict) else {"id": "1", "title": url, "formats": []}


def says(message: str) -> Raise:
    """yt-dlp passes on, in words alone, what the site says."""

    def raises(_: InfoExtractor) -> NoReturn:
        raise ExtractorError(message, expected=True)

    return raises


def breaks(error: Exception) -> Raise:
    """The extractor raises `error`."""

    def raises(_: InfoExtractor) -> NoReturn:
        raise error

    return raises


def download(error: Exception, message: str = "Unable to download webpage") -> Raise:
    """A request fails, wrapped as yt-dlp wraps it."""

    def raises(_: InfoExtractor) -> NoReturn:
        try:
            raise error
        except (TransportError, HTTPError) as caught:
            raise ExtractorError(f"{message}: {caught}", cause=caught) from caught

    return raises


def answers(status: int, message: str = "Unable to download webpage") -> Raise:
    """The site answers with an HTTP error."""
    return download(HTTPError(Response(io.BytesIO(), PAGE, {}, status=status)), message)


def no_formats(**more: Any) -> Raise:
    """The extractor finds the video and no format of it."""
    return lambda _: {"id": "1", "title": "x", "formats": [], **more}


IMAGES = {
    "url": "https://broken.example/1.jpg",
    "format_id": "sb",
    "vcodec": "none",
    "acodec": "none",
    "protocol": "mhtml",
}

TABLE: dict[str, tuple[Raise, Failure]] = {
    # Classes of yt-dlp.
    "login required": (lambda ie: ie.raise_login_required(), Failure.NEEDS_ACCOUNT),
    "login required, own words": (
        lambda ie: ie.raise_login_required("You do not have access to this class"),
        Failure.NEEDS_ACCOUNT,
    ),
    "login required, locked": (
        lambda ie: ie.raise_login_required("This video is locked", method="password"),
        Failure.NEEDS_ACCOUNT,
    ),
    "geo restricted": (lambda ie: ie.raise_geo_restricted(), Failure.GEO_BLOCKED),
    "geo restricted to": (lambda ie: ie.raise_geo_restricted(countries=["DE", "FR"]), Failure.GEO_BLOCKED),
    "geo class": (breaks(GeoRestrictedError("Sorry")), Failure.GEO_BLOCKED),
    "user not live": (breaks(UserNotLive()), Failure.NOT_STARTED),
    "user not live, own words": (breaks(UserNotLive("Nothing to see")), Failure.NOT_STARTED),
    "unsupported URL": (breaks(UnsupportedError(PAGE)), Failure.UNSUPPORTED),
    "DRM": (lambda ie: ie.report_drm("1"), Failure.REMOVED),
    "DRM of every format": (no_formats(_has_drm=True), Failure.OUTDATED),
    "regex not found": (breaks(RegexNotFoundError("Unable to extract title")), Failure.OUTDATED),
    "regex not found by search": (lambda ie: ie._search_regex(r"x=(\d)", "y", "player"), Failure.OUTDATED),
    "not expected": (breaks(ExtractorError("Failed to parse the signed manifest")), Failure.OUTDATED),
    "not expected, unavailable": (breaks(ExtractorError("Video unavailable")), Failure.OUTDATED),
    "JSON is broken": (lambda ie: ie._parse_json("<html>", "1"), Failure.OUTDATED),
    "key missing": (breaks(KeyError("streamingData")), Failure.OUTDATED),
    "type": (breaks(TypeError("'NoneType' object is not subscriptable")), Failure.OUTDATED),
    "attribute": (breaks(AttributeError("'NoneType' object has no attribute 'group'")), Failure.OUTDATED),
    "no formats": (no_formats(), Failure.OUTDATED),
    "only images": (no_formats(formats=[IMAGES]), Failure.OUTDATED),
    # The network.
    "transport": (download(TransportError("[Errno 111] Connection refused")), Failure.SITE_FAILED),
    "name": (download(TransportError("Failed to resolve 'broken.example'")), Failure.SITE_FAILED),
    "incomplete": (download(IncompleteRead(partial=10, expected=90)), Failure.SITE_FAILED),
    "TLS": (download(SSLError("EOF occurred in violation of protocol")), Failure.SITE_FAILED),
    "certificate": (download(CertificateVerifyError("self-signed certificate")), Failure.SITE_FAILED),
    "proxy": (download(ProxyError("Unable to connect to proxy")), Failure.PROXY_FAILED),
    "raw incomplete": (breaks(IncompleteRead(partial=3)), Failure.SITE_FAILED),
    "raw time-out": (breaks(TimeoutError("timed out")), Failure.SITE_FAILED),
    # HTTP.
    "400": (answers(400), Failure.OUTDATED),
    "401": (answers(401), Failure.SITE_REFUSES),
    "402": (answers(402), Failure.NEEDS_ACCOUNT),
    "403": (answers(403), Failure.SITE_REFUSES),
    "403, private": (answers(403, "broken said: this video was deleted"), Failure.REMOVED),
    "404": (answers(404), Failure.REMOVED),
    "404, geo": (answers(404, "broken said: not available in your country"), Failure.GEO_BLOCKED),
    "405": (answers(405), Failure.OUTDATED),
    "407": (answers(407), Failure.PROXY_FAILED),
    "408": (answers(408), Failure.SITE_FAILED),
    "410": (answers(410), Failure.REMOVED),
    "429": (answers(429), Failure.RATE_LIMITED),
    "451": (answers(451), Failure.GEO_BLOCKED),
    "500": (answers(500), Failure.SITE_FAILED),
    "502": (answers(502), Failure.SITE_FAILED),
    "503, not found": (answers(503, "broken said: not found"), Failure.SITE_FAILED),
    "302": (answers(302), Failure.SITE_FAILED),
    # What YouTube says.
    "youtube bot": (
        says(
            "Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies for the authentication. "  # noqa: RUF001 - YouTube's
            "See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ#how-do-i-pass-cookies-to-yt-dlp  for how to"
        ),
        Failure.NOT_A_BOT,
    ),
    "youtube captcha": (
        says("Video unavailable. YouTube is requiring a captcha challenge before playback"),
        Failure.NOT_A_BOT,
    ),
    "youtube rate": (
        says(
            "This content isn't available, try again later. The current session has been rate-limited by YouTube for up to "
            "an hour. It is recommended to use `-t sleep` to add a delay"
        ),
        Failure.RATE_LIMITED,
    ),
    "youtube private": (
        says("Private video. Sign in if you've been granted access to this video. Use --cookies-from-browser"),
        Failure.NEEDS_ACCOUNT,
    ),
    "youtube members": (
        says("Join this channel to get access to members-only content like this video, and other exclusive perks."),
        Failure.NEEDS_ACCOUNT,
    ),
    "youtube members, level": (
        says("This video is available to this channel's members on level: Gold (or any higher level)."),
        Failure.NEEDS_ACCOUNT,
    ),
    "youtube age": (
        says("Sign in to confirm your age. This video may be inappropriate for some users."),
        Failure.NEEDS_ACCOUNT,
    ),
    "youtube payment": (says("This video requires payment to watch."), Failure.NEEDS_ACCOUNT),
    "youtube removed": (says("Video unavailable. This video has been removed by the uploader"), Failure.REMOVED),
    "youtube rules": (
        says("This video has been removed for violating YouTube's Community Guidelines"),
        Failure.REMOVED,
    ),
    "youtube terminated": (
        says(
            "Video unavailable. This video is no longer available because the YouTube account associated with this "
            "video has been terminated."
        ),
        Failure.REMOVED,
    ),
    "youtube closed": (
        says("This video is no longer available because the uploader has closed their YouTube account."),
        Failure.REMOVED,
    ),
    "youtube copyright": (
        says("Video unavailable. This video is no longer available due to a copyright claim by Someone"),
        Failure.REMOVED,
    ),
    "youtube made private": (says("This video is private"), Failure.REMOVED),
    "youtube unavailable": (says("Video unavailable. This video is unavailable"), Failure.REMOVED),
    "youtube country": (
        says("Video unavailable. The uploader has not made this video available in your country"),
        Failure.GEO_BLOCKED,
    ),
    "youtube blocked": (
        says(
            "Video unavailable. This video contains content from Someone, who has blocked it in your country on copyright grounds"
        ),
        Failure.GEO_BLOCKED,
    ),
    "youtube premiere": (says("Premieres in 3 hours"), Failure.NOT_STARTED),
    "youtube event": (says("This live event will begin in a few moments."), Failure.NOT_STARTED),
    "youtube offline": (says("Offline."), Failure.NOT_STARTED),
    "youtube ended": (says("This live event has ended."), Failure.REMOVED),
    "youtube recording": (says("This live stream recording is not available."), Failure.REMOVED),
    "youtube processing": (says("We're processing this video. Check back later."), Failure.NOT_STARTED),
    "youtube app": (
        says("The following content is not available on this app.. Watch on the latest version of YouTube."),
        Failure.OUTDATED,
    ),
    "youtube reload": (says("The page needs to be reloaded."), Failure.OUTDATED),
    "youtube players": (breaks(ExtractorError("Failed to extract any player response")), Failure.OUTDATED),
    "youtube IP": (
        breaks(
            ExtractorError(
                "All player responses are invalid. Your IP is likely being blocked by Youtube", expected=True
            )
        ),
        Failure.SITE_REFUSES,
    ),
    "youtube list": (says("YouTube said: The playlist does not exist."), Failure.REMOVED),
    "youtube tab": (says("This channel does not have a streams tab"), Failure.REMOVED),
    "youtube server": (
        says("YouTube said: Unknown error. An error occurred. Please try again later."),
        Failure.SITE_FAILED,
    ),
    # What other sites say.
    "twitch subscribers": (
        lambda ie: ie.raise_login_required("This VOD is for subscribers only"),
        Failure.NEEDS_ACCOUNT,
    ),
    "twitch VOD": (says("The VOD does not exist"), Failure.REMOVED),
    "twitch private": (says("This VOD is private"), Failure.REMOVED),
    "model": (says("Model is in a private show"), Failure.NOT_STARTED),
    "stream offline": (says("Stream is offline"), Failure.NOT_STARTED),
    "radio": (says("This radio is offline."), Failure.NOT_STARTED),
    "not yet": (says("This video is not available yet. Release date: 2027-01-01"), Failure.NOT_STARTED),
    "archive": (says("This event has ended, and the archive will be available shortly"), Failure.NOT_STARTED),
    "livestream ended": (says("This livestream has ended"), Failure.REMOVED),
    "expired": (says("Content not found; it has most likely expired"), Failure.REMOVED),
    "tweet": (says("No video could be found in this tweet"), Failure.REMOVED),
    "tweet NSFW": (lambda ie: ie.raise_login_required("NSFW tweet requires authentication"), Failure.NEEDS_ACCOUNT),
    "reddit": (says("Your IP address is unable to access the Reddit API"), Failure.SITE_REFUSES),
    "tiktok": (says("Your IP address is blocked from accessing this post"), Failure.SITE_REFUSES),
    "bilibili": (says("Request is blocked by server (412), please wait and try later."), Failure.SITE_REFUSES),
    "vimeo": (
        says("This request has been blocked due to its TLS fingerprint. Install a required impersonation dependency"),
        Failure.NO_IMPERSONATION,
    ),
    "impersonation, of a request": (
        lambda ie: ie._request_webpage(PAGE, "1", impersonate="chrome", require_impersonation=True),
        Failure.NO_IMPERSONATION,
    ),
    "impersonation, of any browser": (
        lambda ie: ie._request_webpage(PAGE, "1", impersonate=True, require_impersonation=True),
        Failure.NO_IMPERSONATION,
    ),
    "fingerprint": (says("This request has been blocked due to its TLS fingerprint"), Failure.SITE_REFUSES),
    "douyin": (says("Fresh cookies (not necessarily logged in) are needed"), Failure.SITE_REFUSES),
    "soundcloud": (says("You have exceeded the rate limit. Try again later"), Failure.RATE_LIMITED),
    "taiwan": (says("This video is available in Taiwan only"), Failure.GEO_BLOCKED),
    "mainland": (says("The video is only licensed to users in Mainland China."), Failure.GEO_BLOCKED),
    "region": (says("Track unavailable in your country due to licensing restrictions"), Failure.GEO_BLOCKED),
    "password": (says("Password protected video, use --video-password <password>"), Failure.NEEDS_ACCOUNT),
    "wrong password": (says("Wrong video password"), Failure.LOGIN_FAILED),
    "login failed": (says("Unable to login: incorrect username and/or password"), Failure.LOGIN_FAILED),
    "token": (says("Your tokens have been invalidated"), Failure.LOGIN_FAILED),
    "premium": (lambda ie: ie.raise_login_required("This video is for premium members only"), Failure.NEEDS_ACCOUNT),
    "purchase": (says("Ticket purchase is required for this stream"), Failure.NEEDS_ACCOUNT),
    "deleted": (says("Video was deleted"), Failure.REMOVED),
    "temporarily": (says("Service temporarily unavailable"), Failure.SITE_FAILED),
    "currently": (says("This content is currently unavailable"), Failure.SITE_FAILED),
    "decryption": (says("pycryptodomex not found. Please install"), Failure.OUTDATED),
    "piracy": (
        says("This website is no longer supported since it has been determined to be primarily used for piracy."),
        Failure.UNSUPPORTED,
    ),
    "unknown words": (says("broken said: something odd"), Failure.SITE_FAILED),
}


def raised(raises: Raise, *warnings: str, read: Callable[[Mapping[str, Any]], ResolveError] = failure) -> ResolveError:
    """The error of the service after the real yt-dlp has met an extractor that `raises`."""
    log = Log()
    with Ytdlp({"quiet": True, "logger": log, "ignoreerrors": "only_download"}) as ytdlp:
        extractor = _Broken()
        extractor.raises = raises
        ytdlp.add_info_extractor(extractor)
        assert ytdlp.extract_info(PAGE, download=False, ie_key=extractor.ie_key()) is None
        document = {"error": described(ytdlp.failure), "warnings": [*log.warnings, *warnings]}
    return read(json.loads(json.dumps(document)))


@pytest.mark.parametrize("name", TABLE)
def test_what_an_error_means(name: str) -> None:
    """Each error of yt-dlp is known by what follows from it, and says so with what helps in each language."""
    raises, expected = TABLE[name]
    error = raised(raises)
    assert error.reason == expected
    kinds = {Meaning.GONE: SourceGone, Meaning.NOT_NOW: ResolveError, Meaning.TOOL_BEHIND: ToolBehind}
    assert type(error) is kinds[MEANINGS[expected]]
    assert error.permanent is (MEANINGS[expected] is Meaning.GONE or expected is Failure.UNSUPPORTED)
    assert error.remedy
    assert "\n" not in str(error)
    assert "https://" not in str(error)


def test_a_browser_that_cannot_be_imitated() -> None:
    """`--impersonate` without its library is no fault of an old yt-dlp: what has to be installed is named."""
    document = answer({"words": ["--impersonate", "chrome"], "url": PAGE})
    error = failure(json.loads(json.dumps(document)))
    assert error.reason == Failure.NO_IMPERSONATION
    assert not update_may_help(error)
    assert "curl_cffi" in str(error.remedy)


def test_the_table_has_every_failure() -> None:
    """At least sixty real errors, and one of each failure but for those that only warnings tell."""
    assert len(TABLE) >= 60
    told_by_warnings = {Failure.NEEDS_PO_TOKEN, Failure.NO_JAVASCRIPT}
    assert (
        {expected for _, expected in TABLE.values()}
        == set(Failure) - told_by_warnings
        == set(MEANINGS) - told_by_warnings
    )


@pytest.mark.parametrize(
    ("warning", "expected"),
    [
        (
            "web client https formats require a GVS PO Token which was not provided. They will be skipped",
            Failure.NEEDS_PO_TOKEN,
        ),
        (
            "YouTube may have enabled the SABR-only streaming experiment for the current session",
            Failure.NEEDS_PO_TOKEN,
        ),
        ("No supported JavaScript runtime could be found. Only deno is enabled by default", Failure.NO_JAVASCRIPT),
        ("n challenge solving failed: Some formats may be missing.", Failure.OUTDATED),
    ],
)
def test_warnings_say_what_is_behind(warning: str, expected: Failure) -> None:
    """Where no format is left, yt-dlp's warnings tell whether a token, a JavaScript runtime or an update helps."""
    assert raised(no_formats(), warning).reason == expected
    assert raised(no_formats(formats=[IMAGES]), warning).reason == expected
    assert raised(says("Private video"), warning).reason == Failure.NEEDS_ACCOUNT


def test_what_helps_against_not_a_bot() -> None:
    """The remedy names all four in the order of what works, in each language."""
    error = raised(TABLE["youtube bot"][0])
    for language in LANGUAGES.values():
        text = Translator(language=language).message_text(error.full_message)
        places = [text.index(word) for word in ("YTDLP_COOKIES", "YTDLP_PLUGINS", "YTDLP_PROXY", "yt-dlp")]
        assert places == sorted(places), text


def test_which_failures_an_update_may_end() -> None:
    """An update is requested for a tool that is behind, never for a network, an owner or an operator."""
    assert update_may_help(raised(no_formats()))
    assert update_may_help(raised(TABLE["youtube bot"][0]))
    for name in ("name", "500", "youtube private", "youtube removed", "unsupported URL", "proxy", "wrong password"):
        assert not update_may_help(raised(TABLE[name][0])), name


@pytest.mark.parametrize(
    "document", [{}, {"error": None}, {"error": {"kinds": 3, "status": "x", "message": None}, "warnings": None}]
)
def test_a_document_that_says_nothing(document: dict[str, Any]) -> None:
    """An error without facts is still an error with what to do."""
    assert failure(document).remedy


@pytest.mark.parametrize("name", TABLE)
def test_a_download_fails_for_now(name: str) -> None:
    """What a download meets is never taken for the end of the source, nor for an old yt-dlp: its link may have expired."""
    raises, why = TABLE[name]
    error = raised(raises, read=download_failure)
    assert type(error) is ResolveError
    assert (error.reason == why) is (why in OF_A_DOWNLOAD or why is Failure.SITE_FAILED)
