"""Webhooks: each event reaches each address, signed, in order, and no address delays the program or another one."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped] # it has no types
import pytest
import standardwebhooks
from structlog.testing import capture_logs

from stands.called_site import CalledSite, called_site
from stands.service import running
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.events import (
    AirContent,
    CutReason,
    Event,
    OutputChanged,
    SegmentEnded,
    SegmentStarted,
    SourceLevel,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.monitoring.webhooks import sender
from tg_video_streamer.monitoring.webhooks.message import WebhookKind, kinds_of, webhook_schemas
from tg_video_streamer.monitoring.webhooks.sender import Webhooks, may_be_called, webhook_problems

SECRET = "whsec_" + base64.b64encode(b"a key of two dozen bytes").decode()


@dataclass(kw_only=True)
class Channel:
    """A channel whose state a test changes, and its webhooks."""

    state: str = "starting"
    webhooks: Webhooks = field(init=False)

    def output(self, name: str) -> None:
        """An output changed."""
        self.webhooks.on_event(OutputChanged(wall=1.5, output=name, state="on_air", error=Message.raw("why «»")))


@asynccontextmanager
async def sending(*sites: CalledSite, secret: str = SECRET) -> AsyncIterator[Channel]:
    """Webhooks to the sites for as long as the block lasts, with short pauses between attempts."""
    channel = Channel()
    channel.webhooks = Webhooks(
        [f"http://127.0.0.1:{site.port}/CANARY" for site in sites],
        secret=secret,
        host="tv-1",
        state=lambda: channel.state,
        clock=SystemClock(),
        retry_pauses=(0.01,),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(channel.webhooks.run())
        yield channel
        task.cancel()


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait for it in a thread: the loop sends meanwhile."""
    await asyncio.to_thread(wait_until, true, what=what)


def bodies(site: CalledSite) -> list[dict[str, Any]]:
    """The messages that came, in order."""
    return [json.loads(call.body) for call in list(site.calls)]


def content(level: SourceLevel) -> AirContent:
    """What is on air at a level."""
    return AirContent(level=level, key="k", title="Заря", new_play=True)


def started(level: SourceLevel, reason: CutReason = CutReason.ENDED) -> SegmentStarted:
    """A segment that starts."""
    return SegmentStarted(wall=1.5, reason=reason, content=content(level))


def test_every_event_has_its_kind_and_every_kind_its_schema() -> None:
    """No event of the bus is without a message, and the document describes each kind."""
    names = set(WebhookKind)
    assert set(webhook_schemas("#/{model}")[0]) == names
    for event in get_args(Event):
        if event not in {SegmentStarted, SegmentEnded}:
            assert kinds_of(object.__new__(event))
    found = [kinds_of(started(level))[0] for level in SourceLevel]
    assert found == ["live.started", "item.started", "fallback.started", "fallback.started", "fallback.started"]
    assert kinds_of(started(SourceLevel.ITEM, CutReason.SCHEDULED)) == ("schedule.started", "item.started")


async def test_a_receiver_of_standard_webhooks_takes_each_message_and_no_changed_one() -> None:
    """The library that receivers use accepts the signature, and refuses another body, id, time or key."""
    with called_site() as site:
        async with sending(site) as channel:
            channel.state = "on_air"
            channel.webhooks.on_event(started(SourceLevel.ITEM))
            await until(lambda: len(site.calls) == 2, "the item and the state")
        item, state = site.calls
    receiver = standardwebhooks.Webhook(SECRET)
    message = receiver.verify(item.body, item.headers)
    assert (message["type"], message["host"], message["data"]["content"]["title"]) == ("item.started", "tv-1", "Заря")
    schemas, parts = webhook_schemas("#/$defs/{model}")
    jsonschema.validate(message, schemas["item.started"] | {"$defs": parts})
    assert receiver.verify(state.body, state.headers)["data"] == {
        "wall": pytest.approx(0, abs=1e10),
        "state": "on_air",
        "previous": "",
    }
    for change in ({"webhook-id": "msg_1"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,AAAA"}):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            receiver.verify(item.body, item.headers | change)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        receiver.verify(item.body + b" ", item.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(base64.b64encode(b"another key").decode()).verify(item.body, item.headers)


async def test_a_message_is_repeated_until_it_is_taken_and_the_order_stays() -> None:
    """An address that refuses for a while gets every message once it answers, under the same id, in their order."""
    with called_site() as site, capture_logs() as logs:
        site.status = 500
        async with sending(site) as channel:
            for name in ("a", "b", "c"):
                channel.output(name)
            await until(lambda: len(site.calls) >= 3, "attempts")
            refused = len(site.calls)
            site.status = 204
            await until(lambda: bodies(site)[-1]["number"] == 4, "the last message")
    ids = [call.headers["webhook-id"] for call in site.calls]
    assert len(set(ids[:refused])) == 1
    taken = list({call.headers["webhook-id"]: json.loads(call.body) for call in site.calls}.values())
    assert [one["data"].get("output", one["type"]) for one in taken] == ["a", "state.changed", "b", "c"]
    assert [one["log_level"] for one in logs] == ["warning", "info"]
    assert "CANARY" not in str(logs)


async def test_an_address_that_hangs_delays_no_other_and_loses_its_oldest_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue is bounded; the next message that arrives says how many were lost."""
    monkeypatch.setattr(sender, "WAITING_AT_MOST", 50)
    with called_site() as hanging, called_site() as well:
        hanging.hanging.set()
        async with sending(hanging, well) as channel:
            channel.output("first")
            await until(lambda: len(hanging.calls) == 1 and len(well.calls) == 2, "the first messages")
            for number in range(60):
                channel.output(str(number))
            await until(lambda: bodies(well)[-1]["data"].get("output") == "59", "all of them")
            hanging.hanging.clear()
            hanging.closing.set()
            await until(lambda: len(hanging.calls) > 2, "messages after it")
    assert max(one["lost"] for one in bodies(hanging)) == 11
    assert {one["lost"] for one in bodies(well)} <= {0, 10}


async def test_a_redirect_is_not_followed() -> None:
    """A receiver cannot send our message, or us, to another place: a redirect is a refusal."""
    with called_site() as site, capture_logs() as logs:
        site.status = 302
        async with sending(site, secret="") as channel:
            channel.output("a")
            await until(lambda: len(site.calls) >= 2, "another attempt")
        assert "webhook-signature" not in site.calls[0].headers
    assert logs[0]["reason"] == "it answered 302"


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("example.org", "93.184.215.14", True),
        ("example.org", "10.0.0.5", False),
        ("example.org", "127.0.0.1", False),
        ("example.org", "::1", False),
        ("example.org", "::ffff:192.168.1.1", False),
        ("10.0.0.5", "10.0.0.5", True),
        ("localhost", "127.0.0.1", True),
        ("automation", "172.18.0.3", True),
        ("169.254.169.254", "169.254.169.254", False),
        ("metadata", "169.254.169.254", False),
        ("fe80::1%2", "fe80::1%2", False),
    ],
)
def test_a_public_name_cannot_lead_into_the_own_network(host: str, address: str, *, allowed: bool) -> None:
    """What the operator wrote as a place of the own network is called; a public name that resolves to one is not."""
    assert may_be_called(host, address) is allowed


async def test_without_addresses_no_state_is_asked_for() -> None:
    """A channel without webhooks pays nothing for them."""
    async with sending() as channel:
        channel.webhooks._state = pytest.fail
        channel.output("a")


def test_settings_that_cannot_be_used_are_refused_without_repeating_them() -> None:
    """Bad addresses and a bad secret are problems of the settings, by their key."""
    assert webhook_problems("http://a/x https://b:8443/y", SECRET) == []
    for addresses, secret in (("ftp://a/CANARY", ""), ("http://a:CANARY/", ""), ("", "whsec_CANARY!")):
        (problem,) = webhook_problems(addresses, secret)
        assert problem.startswith("WEBHOOK")
        assert "CANARY" not in problem


def test_a_service_says_what_is_on_air_and_keeps_the_address_secret(tmp_path: Path) -> None:
    """A service on air sends its item, output and state; host and order are in each message, the address in no log."""
    with called_site() as site:
        settings = {
            "WEBHOOKS": f"http://127.0.0.1:{site.port}/CANARYCANARY",
            "WEBHOOK_SECRET": SECRET,
            "OUTPUTS": f"file:{tmp_path / 'record.ts'}",
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
        }
        wanted = {"item.started", "output.changed", "state.changed"}
        with running(tmp_path / "service", settings, arguments=("--demo",)) as service:
            wait_until(lambda: wanted <= {one["type"] for one in bodies(site)}, what="the messages")
            assert service.stop() == 0
            assert "CANARYCANARY" not in service.log
            assert SECRET not in service.log
    messages = bodies(site)
    assert [one["number"] for one in messages] == list(range(1, len(messages) + 1))
    assert {one["host"] for one in messages} == {socket.gethostname()}
