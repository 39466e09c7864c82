"""Page, health check and status over HTTP, and the protection against other sites."""

from __future__ import annotations

import asyncio
import http.client
import json
import resource
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from structlog.testing import capture_logs

from stands.page import OPERATOR, Site, access_to, context_of, example_status, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program
from stands.small_channel import SmallChannel
from tg_video_streamer.control.status import ItemStatus, ServiceWarning, WarningAction
from tg_video_streamer.errors import ListenFailed
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.app import build_web_app
from tg_video_streamer.web.security_headers import SecurityHeaders, host_name
from tg_video_streamer.web.server import listen, serve

NASTY = "</title><script>document.title='owned'</script>\"'&<img src=x onerror=alert(1)> \u202egnp.exe 🎬"


@pytest.fixture
def site(clip: Clip) -> Iterator[Site]:
    """The application with a program that does not advance."""
    with served(Program(clip)) as site:
        yield site


def ask(site: Site, path: str, *, method: str = "GET", host: str = "localhost") -> tuple[http.client.HTTPResponse, str]:
    """One request under a Host name of choice."""
    connection = http.client.HTTPConnection("127.0.0.1", site.listener.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True)
        if host:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def test_health_is_200_only_while_media_leaves(site: Site) -> None:
    """A load balancer or a script sees 200 while all is well, else 503 with every reason on a line of its own."""
    answer, text = ask(site, "/healthz")
    assert (answer.status, text) == (200, "ok\n")
    site.status = replace(
        example_status(),
        healthy=False,
        problems=(Message.raw("output telegram is retrying: refused"), Message.raw("no picture")),
    )
    answer, text = ask(site, "/healthz")
    assert (answer.status, text) == (503, "output telegram is retrying: refused\nno picture\n")
    assert answer.headers["content-type"].startswith("text/plain")
    site.status = replace(
        example_status(), healthy=False, channel_state="starting", reason=Message.of("slate_reason.starting")
    )
    answer, text = ask(site, "/healthz")
    assert (answer.status, text) == (503, "the first item is not ready yet\n")


def test_status_is_the_service_status(site: Site) -> None:
    """Programs read the very status that `status --json` prints."""
    answer, text = ask(site, "/status.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(text) == json.loads(json.dumps(site.status.as_json()))


@pytest.mark.parametrize("path", ["/", "/status.json", "/healthz", "/page.js", "/preview/init.mp4", "/nothing"])
def test_browsers_are_kept_strict(site: Site, path: str) -> None:
    """Every answer forbids foreign scripts, frames, type sniffing and caching."""
    answer, _ = ask(site, path)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] in {"no-store", "no-cache"}
    assert answer.headers["access-control-allow-origin"] is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(site: Site, method: str) -> None:
    """Other methods than GET and HEAD are refused."""
    for path in ("/", "/status.json", "/healthz", "/preview/live.mp4"):
        answer, _ = ask(site, path, method=method)
        assert answer.status == 405


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "[::1]:8080", "localhost."])
def test_loopback_names_are_known(site: Site, host: str) -> None:
    """The page opens under every name of the machine itself."""
    assert ask(site, "/status.json", host=host)[0].status == 200


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.7"])
def test_foreign_names_are_refused(site: Site, host: str) -> None:
    """A foreign page that points its own name here (DNS rebinding) reads nothing."""
    answer, text = ask(site, "/status.json", host=host)
    assert answer.status in {400, 421}
    assert "on_air" not in text


def test_configured_names_are_known() -> None:
    """The configured host counts; on every address each address does, but still no foreign name."""

    async def nothing(_scope: object, _receive: object, _send: object) -> None:
        """Stands behind the guard."""

    named = SecurityHeaders(nothing, hosts=["tv.example", "192.0.2.7"])
    assert named.knows("TV.example:8080")
    assert named.knows("192.0.2.7")
    assert not named.knows("192.0.2.8")
    everywhere = SecurityHeaders(nothing, hosts=["0.0.0.0"])
    assert everywhere.knows("192.0.2.8:8080")
    assert everywhere.knows("[2001:db8::1]:8080")
    assert not everywhere.knows("evil.example")


@given(st.text())
def test_any_host_header_has_a_name(host: str) -> None:
    """No Host header, however odd, breaks the check."""
    assert not host_name(host).startswith("[") or "[[" in host


def test_a_warning_has_the_buttons_that_fix_it(site: Site) -> None:
    """An operator gets a form for each command and a link for each page; others get the text alone."""
    message = Message.of("warning.item_line", title="Film", line=4, problem="file not found", seconds=1740)
    warning = ServiceWarning(message=message, item_key="e" * 16, actions=tuple(WarningAction))
    site.status = replace(site.status, warnings=(warning,))
    expected = "Film (line 4): file not found. Next try in 29 min."
    operator = PageVisitor(port=site.listener.port)
    operator.sign_in(OPERATOR)
    text = operator.ask("/").text
    assert expected in text
    for fix in ("/actions/retry", "/actions/playlist_remove", "/playlist", "/health"):
        assert f'="{fix}"' in text
    _, text = ask(site, "/")
    assert expected in text
    assert "/actions/" not in text


def test_titles_are_text(site: Site) -> None:
    """Titles, output names and errors are shown as text."""
    item = ItemStatus(key="e" * 16, title=NASTY, duration_seconds=10)
    output = replace(site.status.outputs[0], name=NASTY, error=Message.raw(NASTY), state="retrying")
    site.status = replace(
        site.status,
        now=item,
        next_items=(item,),
        reason=Message.raw(NASTY),
        problems=(Message.raw(NASTY),),
        warnings=(ServiceWarning(message=Message.raw(NASTY)),),
        outputs=(output,),
    )
    _, text = ask(site, "/")
    assert text.count("<script") == 1
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;document.title=") >= 7


@pytest.mark.parametrize("path", ["/", "/queue", "/health", "/status.json", "/api/status", "/healthz"])
def test_a_title_that_is_not_utf8_is_answered(site: Site, path: str) -> None:
    """A file name of any bytes, and half of a surrogate pair, break no page and no answer of the API."""
    item = ItemStatus(key="e" * 16, title="\udcc4\udcee\udcec \ud83d \x1b[2J", duration_seconds=10)
    problem = Message.of("line.missing", path="/media/\udcff.mp4")
    site.status = replace(site.status, now=item, next_items=(item,), problems=(problem,), reason=problem)
    answer, text = ask(site, path)
    assert answer.status == 200
    assert "\x1b" not in text
    assert "\\ud" not in text


def test_unknown_segment_is_not_found(site: Site) -> None:
    """A segment that does not exist is answered with 404."""
    assert ask(site, "/preview/segment-999999.m4s")[0].status == 404
    assert ask(site, "/preview/segment-x.m4s")[0].status == 404


def test_taken_port_gives_the_next_free_one() -> None:
    """A second service on the machine still gets its page; a WARNING and the listener say where."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with capture_logs() as logs:
            listener = listen("127.0.0.1", port)
        with listener.socket:
            assert port < listener.port <= port + 20
            assert listener.url == f"http://127.0.0.1:{listener.port}/"
    assert [(one["log_level"], one["wanted"], one["port"]) for one in logs] == [("warning", port, listener.port)]


def test_address_of_another_machine_is_refused_with_a_remedy() -> None:
    """A wrong WEB_HOST is reported at start, with the settings to change."""
    with pytest.raises(ListenFailed, match=r"192\.0\.2\.1.*WEB_HOST"):
        listen("192.0.2.1", 8080)


async def test_signals_are_left_to_the_service(clip: Clip) -> None:
    """While the page is served, SIGINT and SIGTERM still reach their former handlers."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    listener = listen("127.0.0.1", 0)
    app = build_web_app(context_of(Program(clip), SmallChannel()), access=access_to(port=listener.port))
    task = asyncio.ensure_future(serve(app, listener))
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.close()
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_page_can_be_served_again_after_a_fault(clip: Clip) -> None:
    """A web server that failed, here without file descriptors, is restarted at the same address."""

    def app() -> Starlette:
        return build_web_app(context_of(Program(clip), SmallChannel()), access=access_to(port=listener.port))

    listener = listen("127.0.0.1", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (listener.socket.fileno(), hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            await serve(app(), listener)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    task = asyncio.ensure_future(serve(app(), listener))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(90):
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_day_of_the_schedule_is_a_page(site: Site) -> None:
    """The requested day, with links to the days before and after."""
    answer, text = ask(site, "/schedule?day=2026-03-29")
    assert answer.status == 200
    assert "Playlist" in text
    assert 'href="/schedule?day=2026-03-30"' in text
    assert 'href="/schedule?day=2026-03-28"' in text
