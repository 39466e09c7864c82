"""The heartbeat: called while the channel is truly on air, and only then."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from stands.called_site import CalledSite, called_site
from stands.ports import free_port
from stands.service import running
from stands.small_channel import SmallChannel
from stands.waiting import wait_until
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.monitoring.heartbeat import Heartbeat, heartbeat_problems, truly_on_air
from tg_video_streamer.monitoring.http_call import http_target

PERIOD_SECONDS = 0.05
ON_AIR = replace(SmallChannel().status(), healthy=True, channel_state="on_air")


class Channel:
    """A status that a test can change; counts how often it was asked."""

    def __init__(self) -> None:
        self.now: ServiceStatus = ON_AIR
        self.asked = 0

    def status(self) -> ServiceStatus:
        """The status now."""
        self.asked += 1
        return self.now


@asynccontextmanager
async def beating(url: str, channel: Channel, *, timeout_seconds: float = 5.0) -> AsyncIterator[None]:
    """A heartbeat with a short period for as long as the block lasts."""
    heart = Heartbeat(url, status=channel.status, period_seconds=PERIOD_SECONDS, timeout_seconds=timeout_seconds)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(heart.run())
        yield
        task.cancel()


async def _until_called(site: CalledSite, more: int = 1) -> None:
    goal = len(site.calls) + more
    await asyncio.to_thread(wait_until, lambda: len(site.calls) >= goal, what="a call")


async def _until_asked(channel: Channel, more: int) -> None:
    goal = channel.asked + more
    await asyncio.to_thread(wait_until, lambda: channel.asked >= goal, what="periods that passed")


@pytest.mark.parametrize(
    ("state", "healthy", "expected"),
    [
        ("on_air", True, True),
        ("on_filler", True, True),
        ("on_slate", True, False),
        ("starting", True, False),
        ("stopping", True, False),
        ("on_air", False, False),
        ("on_filler", False, False),
    ],
)
def test_what_counts_as_on_air(state: str, *, healthy: bool, expected: bool) -> None:
    """An item or filler that reaches every output, and nothing else."""
    assert truly_on_air(replace(ON_AIR, channel_state=state, healthy=healthy)) is expected


async def test_it_calls_while_on_air_and_not_otherwise() -> None:
    """The monitoring service gets a call every period on air, none on the slate, and again afterwards."""
    with called_site() as site:
        channel = Channel()
        async with beating(f"http://user:pass%20word@127.0.0.1:{site.port}/ping/uuid?a=b", channel):
            await _until_called(site, 3)
            channel.now = replace(ON_AIR, channel_state="on_slate")
            # One call may be under way; from the next period on there is none.
            await _until_asked(channel, 2)
            calls = len(site.calls)
            await _until_asked(channel, 5)
            assert len(site.calls) == calls
            channel.now = replace(ON_AIR, channel_state="on_filler")
            await _until_called(site)
        call = site.calls[0]
    assert (call.method, call.path) == ("GET", "/ping/uuid?a=b")
    assert call.headers["authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert call.headers["host"] == f"127.0.0.1:{site.port}"


async def test_failures_are_told_once_and_so_is_the_end_of_them() -> None:
    """A far end that refuses is one warning without its address, and its return one line."""
    with called_site() as site, capture_logs() as logs:
        site.status = 503
        async with beating(f"http://127.0.0.1:{site.port}/CANARY", Channel()):
            await _until_called(site, 4)
            site.status = 200
            await asyncio.to_thread(wait_until, lambda: len(logs) >= 2, what="the recovery is logged")
            await _until_called(site, 3)
    assert [(entry["log_level"], entry.get("reason")) for entry in logs] == [
        ("warning", "it answered 503"),
        ("info", None),
    ]
    assert "CANARY" not in str(logs)


@pytest.mark.parametrize("fault", ["refused", "hangs", "no http"])
async def test_every_fault_ends_in_time_and_it_goes_on(fault: str) -> None:
    """No listener, no answer and nonsense are logged briefly, and the next period is tried."""
    with called_site() as site, socket.create_server(("127.0.0.1", 0)) as raw, capture_logs() as logs:
        site.hanging.set()
        port = {"refused": free_port(), "hangs": site.port, "no http": raw.getsockname()[1]}[fault]
        channel = Channel()
        async with beating(f"http://127.0.0.1:{port}/", channel, timeout_seconds=0.2):
            if fault == "no http":
                connection, _ = await asyncio.to_thread(raw.accept)
                connection.sendall(b"SSH-2.0\r\n")
                connection.close()
            await _until_asked(channel, 3)
    assert len(logs) == 1, logs
    expected = {"refused": "refused", "hangs": "no answer within", "no http": "not HTTP"}[fault]
    assert expected in logs[0]["reason"]


async def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate gets no call; one of a trusted authority does."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with called_site(tls) as site:
        with capture_logs() as logs:
            channel = Channel()
            async with beating(f"https://127.0.0.1:{site.port}/", channel):
                await _until_asked(channel, 3)
        assert logs[0]["reason"].startswith("TLS: ")
        assert not site.calls
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with beating(f"https://127.0.0.1:{site.port}/", Channel()):
            await _until_called(site)


def test_the_running_service_calls_once_it_is_on_air(tmp_path: Path) -> None:
    """A service that plays calls its heartbeat, and the address is not in its log."""
    with called_site() as site:
        settings = {
            "HEARTBEAT_URL": f"http://127.0.0.1:{site.port}/CANARY",
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
        }
        with running(tmp_path / "service", settings, arguments=("--demo",)) as service:
            wait_until(lambda: site.calls, what="a heartbeat")
            service.wait_on_air()
            assert service.stop() == 0
            assert "CANARY" not in service.log


async def test_without_a_url_nobody_is_called() -> None:
    """An empty HEARTBEAT_URL is no heartbeat, and no reason to ask for the status."""
    channel = Channel()
    async with beating("", channel):
        await asyncio.sleep(0)
    assert channel.asked == 0


def test_a_url_that_cannot_be_used_is_told_without_repeating_it() -> None:
    """Bad ports and letters are a problem of the settings; good ones are none."""
    for good in ("", "http://example.org", "https://user:p@example.org:8443/a?b=c", "http://[::1]:80/x"):
        assert heartbeat_problems(good) == []
    for bad in ("http://example.org:CANARY/", "http:///CANARY", "http://example.org/CANARY-ä"):
        (problem,) = heartbeat_problems(bad)
        assert problem.startswith("HEARTBEAT_URL: ")
        assert "CANARY" not in problem
    assert "CANARY" not in repr(http_target("http://a/CANARY"))
    assert b"Host: [::1]\r\n" in http_target("http://[::1]/x").request("GET")
