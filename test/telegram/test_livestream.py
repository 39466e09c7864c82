"""The live stream: its URL leads to the RTMP server, and every way of losing it in Telegram is noticed and overcome."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stands.group_call_sfu import SfuProcess
from stands.live_channel import KEY, LiveChannel
from stands.program import Clip
from stands.received import arrived, difference, pictures
from stands.telegram_dc.server import StreamState
from stands.telegram_dc.world import CHANNEL_ID, SECOND_USER_ID, Call, Role
from tg_video_streamer.app.telegram import CONNECTION_PAUSES
from tg_video_streamer.events import AirContent, CutReason, DeliveryChanged, SegmentStarted, SlateReason, SourceLevel
from tg_video_streamer.outputs.state import OutputState


@pytest.fixture
def channel(tmp_path: Path, house_clip: Clip) -> Iterator[LiveChannel]:
    """A channel whose settings are written and whose output is not started."""
    with LiveChannel(tmp_path, house_clip) as made:
        made.write_env(made.stand.session_string())
        yield made


def segment(content: AirContent) -> SegmentStarted:
    """`content` comes on air."""
    return SegmentStarted(wall=time.time(), reason=CutReason.ENDED, content=content)


def call_of(channel: LiveChannel) -> Call:
    """The call that runs in the chat."""
    call = channel.stand.chat().call
    assert call is not None
    return call


def stream(channel: LiveChannel, state: StreamState) -> None:
    """What Telegram reports of the stream from now on."""
    channel.stand.do(lambda: setattr(channel.stand.world, "stream", state))


def asked_for_keys(channel: LiveChannel) -> list[bool]:
    """Each time that URL and key were asked for: whether the old key was to be revoked."""
    return [bool(one.revoke) for one in channel.stand.asked("phone.getGroupCallStreamRtmpUrl")]


def test_on_air_and_confirmed(channel: LiveChannel) -> None:
    """URL before creation, the program whole at the server, the stream seen at Telegram, key and URL saved privately."""
    stream(channel, StreamState.ADVANCING)
    channel.start()
    channel.until_on_air()
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
    names = [name.lower() for name, _ in channel.stand.world.requests]
    assert names.index("phone.getgroupcallstreamrtmpurl") < names.index("phone.creategroupcall")
    assert call_of(channel).rtmp_stream
    assert [event.delivery for event in channel.events if isinstance(event, DeliveryChanged)] == ["confirmed"]
    saved = channel.folder / "state" / "telegram.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert KEY in saved.read_text()
    channel.until(lambda: len(channel.program.published) > 72 * 4, "four seconds of program")
    channel.stop()
    assert call_of(channel).participants == []
    (record,) = channel.nginx.records()
    packets = arrived(record)
    assert difference(packets, channel.program.published) is None
    assert pictures(packets) > 25
    assert KEY not in str(channel.logs)
    assert KEY not in str(channel.events)


def test_title_follows_and_viewers_are_counted(channel: LiveChannel) -> None:
    """The title is that of the last item, cut to what Telegram takes; viewers are those besides the account itself."""
    channel.stand.do(lambda: setattr(channel.stand.world, "viewers", 8))
    channel.start()
    channel.until_on_air()
    for title in ("First", "Second", "A very long title " * 8):
        channel.bus.publish(segment(AirContent(level=SourceLevel.ITEM, title=title)))
    channel.until(lambda: str(call_of(channel).title).startswith("A very long"), "the title")
    assert len(str(call_of(channel).title)) <= 64
    assert [one.title for one in channel.stand.asked("phone.editGroupCallTitle")] == [call_of(channel).title]
    channel.bus.publish(segment(AirContent(level=SourceLevel.SLATE, slate_reason=SlateReason.PLAYLIST_EMPTY)))
    channel.bus.publish(segment(AirContent(level=SourceLevel.ITEM, title="Next")))
    channel.until(lambda: call_of(channel).title == "Next", "the next title")
    channel.until(lambda: channel.parts.facts().viewers == 7, "the viewers")


def test_ended_by_an_administrator(channel: LiveChannel) -> None:
    """A live stream that is ended in the chat is reported as such, and another one is started."""
    channel.start()
    channel.until_on_air()
    first = call_of(channel).id
    channel.until(lambda: channel.stand.asked("phone.joinGroupCall"), "the watch joins")
    channel.stand.end_call()
    channel.until(lambda: "ended by an administrator" in channel.error, "the reason")
    channel.until(lambda: channel.stand.chat().call is not None, "started again")
    channel.until_on_air()
    assert call_of(channel).id != first
    assert asked_for_keys(channel) == [False, False]


def test_ended_without_a_word(channel: LiveChannel) -> None:
    """The end is noticed without an update too."""
    channel.start()
    channel.until_on_air()
    first = call_of(channel).id
    channel.stand.do(lambda: setattr(channel.stand.chat(), "call", None))
    channel.until(lambda: (call := channel.stand.chat().call) is not None and call.id != first, "started again")
    channel.until_on_air()


def test_key_revoked(channel: LiveChannel) -> None:
    """A revoked key is refused by the server, and the new one is asked for."""
    channel.start()
    channel.until_on_air()
    channel.hand_out("5001:second-key")
    channel.nginx.stop()
    channel.nginx.start()
    channel.until(lambda: len(asked_for_keys(channel)) == 2, "asked again")
    channel.until_on_air()
    channel.until(lambda: any("second-key" in path.name for path in channel.nginx.records()), "a record by the new key")
    assert asked_for_keys(channel) == [False, False]
    assert "second-key" in (channel.folder / "state" / "telegram.json").read_text()


def test_bytes_leave_and_nothing_arrives(channel: LiveChannel) -> None:
    """Telegram has no stream although bytes leave: a new connection, then a new key, and confirmed once it has one."""
    channel.start()
    channel.until_on_air()
    channel.until(lambda: channel.state is OutputState.RETRYING, "retrying")
    assert "does not see" in channel.error
    channel.until(lambda: asked_for_keys(channel)[-1], "a new key")
    assert asked_for_keys(channel) == [False, False, True]
    stream(channel, StreamState.ADVANCING)
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
    assert channel.key != KEY
    deliveries = [event.delivery for event in channel.events if isinstance(event, DeliveryChanged)]
    assert deliveries.count("missing") == 2
    assert deliveries[-1] == "confirmed"


def test_stands_still(channel: LiveChannel) -> None:
    """A stream that stopped advancing at Telegram is missing too."""
    stream(channel, StreamState.ADVANCING)
    channel.start()
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
    stream(channel, StreamState.STANDING)
    channel.until(lambda: channel.state is OutputState.RETRYING, "retrying")
    stream(channel, StreamState.ADVANCING)
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed again")


REFUSALS = [
    ("phone.getGroupCallStreamRtmpUrl", "CHAT_ADMIN_REQUIRED", "gives the live stream's URL only"),
    ("phone.createGroupCall", "CHAT_ADMIN_REQUIRED", "may not start a live stream"),
    ("channels.getFullChannel", "CHANNEL_PRIVATE", "no longer a member of the chat"),
    ("phone.createGroupCall", "CHAT_FORBIDDEN", "not let into the chat"),
    ("contacts.resolveUsername", "USERNAME_NOT_OCCUPIED", "no one has this name"),
]


@pytest.mark.parametrize(("method", "word", "words"), REFUSALS, ids=[f"{one[0]}-{one[1]}" for one in REFUSALS])
def test_refused(channel: LiveChannel, method: str, word: str, words: str) -> None:
    """Each refusal has its own words and what to do, and is overcome once Telegram allows it."""
    channel.stand.inject(method, (400, word))
    channel.start()
    channel.until(lambda: words in channel.error, f"the error: {words}")
    assert word in channel.error or "CHAT_ID" in channel.error
    channel.until_on_air()


def test_not_the_owner(channel: LiveChannel) -> None:
    """An account without the right gets that reason while it lasts, ever less often."""
    channel.stand.do(lambda: channel.stand.chat().roles.__setitem__(777001, Role.MEMBER))
    channel.start()
    channel.until(lambda: "administrator" in channel.error, "the reason")
    assert channel.state is OutputState.RETRYING
    channel.stand.do(lambda: channel.stand.chat().roles.__setitem__(777001, Role.CREATOR))
    channel.until_on_air()


def test_a_video_chat_is_in_the_way(channel: LiveChannel) -> None:
    """A video chat of other people is not ended by us; once it is over the live stream begins."""
    call: Any = Call(id=4711, access_hash=1, rtmp_stream=False)
    channel.stand.do(lambda: setattr(channel.stand.chat(), "call", call))
    channel.start()
    channel.until(lambda: "video chat runs" in channel.error, "the reason")
    assert channel.stand.asked("phone.discardGroupCall") == []
    channel.stand.end_call(CHANNEL_ID)
    channel.until_on_air()


def foreign(channel: LiveChannel, *, rtmp: bool, scheduled_at: int = 0) -> int:
    """Another administrator has started a call, or announced one; its id."""
    call = Call(
        id=time.time_ns() % 2**40, access_hash=1, rtmp_stream=rtmp, owner=SECOND_USER_ID, scheduled_at=scheduled_at
    )
    channel.stand.begin_call(call)
    return call.id


def test_auto_ends_nothing_of_others(channel: LiveChannel) -> None:
    """Another admin's video chat, tomorrow's announced one and another admin's RTMP stream are named and waited for."""
    channel.write_env(channel.stand.session_string(), TELEGRAM_TRANSPORT="auto")
    theirs = {foreign(channel, rtmp=False)}
    channel.start(patience_seconds=0.5)
    channel.until(lambda: "a video chat runs in the chat (Second)" in channel.error, "whose video chat it is")
    theirs.add(foreign(channel, rtmp=True, scheduled_at=int(time.time()) + 86_400))
    channel.until(lambda: "a call is announced in the chat for 2" in channel.error, "the announced one")
    assert channel.state is OutputState.RETRYING
    channel.stand.end_call()
    channel.until_on_air()
    channel.stop()
    channel.stand.do(lambda: setattr(channel.stand.world, "rtmp_roles", set()))
    theirs.add(foreign(channel, rtmp=True))
    # Without the saved key, which needs no call of ours.
    (channel.folder / "state" / "telegram.json").unlink()
    channel.start(patience_seconds=0.5)
    channel.until(lambda: "an RTMP live stream runs in the chat (Second)" in channel.error, "whose live stream it is")
    channel.stop()
    assert channel.stand.asked("phone.discardGroupCall") == []
    assert len(channel.stand.asked("phone.createGroupCall")) == 1
    assert not {one.call.id for one in channel.stand.asked("phone.joinGroupCall")} & theirs


def test_a_refused_title_costs_the_title(channel: LiveChannel) -> None:
    """A title that Telegram refuses costs neither the live stream nor the next title."""
    channel.start()
    channel.until_on_air()
    channel.bus.publish(segment(AirContent(level=SourceLevel.ITEM, title="First")))
    channel.until(lambda: call_of(channel).title == "First", "the title")
    channel.stand.inject("phone.createGroupCall", (406, "TITLE_INVALID"))
    channel.stand.inject("phone.editGroupCallTitle", (400, "TITLE_INVALID"))
    first = call_of(channel).id
    channel.stand.end_call()
    channel.until(lambda: (call := channel.stand.chat().call) is not None and call.id != first, "started again")
    channel.until_on_air()
    assert [one.title for one in channel.stand.asked("phone.createGroupCall")][-2:] == ["First", None]
    channel.until(lambda: channel.logged("live stream title not changed, the next one is tried"), "the refused title")
    channel.bus.publish(segment(AirContent(level=SourceLevel.ITEM, title="Second")))
    channel.until(lambda: call_of(channel).title == "Second", "the next title")


def test_kept_key_and_no_live_stream(channel: LiveChannel) -> None:
    """A start with a saved key is on air before the login, and a live stream that had ended meanwhile is started."""
    channel.start()
    channel.until_on_air()
    channel.stop()
    channel.stand.do(lambda: setattr(channel.stand.chat(), "call", None))
    channel.start()
    channel.until_on_air()
    channel.until(lambda: channel.stand.chat().call is not None, "a live stream")
    channel.until_on_air()


def test_auto_takes_the_video_chat(channel: LiveChannel) -> None:
    """An account that gets no URL takes part in the video chat, alone in it and without an RTMP stream; it is confirmed."""
    with SfuProcess() as sfu:
        channel.stand.do(lambda: setattr(channel.stand.world, "answer_join", sfu.answer))
        channel.stand.do(lambda: setattr(channel.stand.world, "rtmp_roles", set()))
        channel.write_env(channel.stand.session_string(), TELEGRAM_TRANSPORT="auto")
        channel.start()
        channel.until_on_air()
        channel.until(lambda: sfu.packets() > 100, "media in the call")
        assert not call_of(channel).rtmp_stream
        assert asked_for_keys(channel) == [False]
        channel.until(lambda: channel.parts.facts().deliveries == {"telegram-1": "confirmed"}, "confirmed")
        channel.stand.do(lambda: setattr(channel.stand.world, "viewers", 8))
        channel.until(lambda: channel.parts.facts().viewers == 7, "the viewers")
        channel.stop()
        assert call_of(channel).participants == []
    assert channel.nginx.records() == []


def test_call_delivery_is_what_telegram_says(channel: LiveChannel) -> None:
    """The media server confirms or denies the video chat, joined as the channel; no answer leaves it unconfirmed."""
    with SfuProcess() as sfu:
        channel.stand.do(lambda: setattr(channel.stand.world, "answer_join", sfu.answer))
        channel.write_env(channel.stand.session_string(), TELEGRAM_TRANSPORT="call", CALL_JOIN_AS="channel")
        channel.start()
        channel.until_on_air()
        channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
        assert [one.peer.channel_id for one in call_of(channel).participants] == [CHANNEL_ID]
        assert channel.parts.facts().viewers == 0
        channel.stand.do(lambda: setattr(call_of(channel).participants[0], "source", 1))
        channel.until(lambda: "no longer has our stream" in channel.error, "the reason")
        channel.until(
            lambda: channel.parts.watch.delivery == "confirmed" and channel.state is OutputState.ON_AIR, "again"
        )
        deliveries = [event.delivery for event in channel.events if isinstance(event, DeliveryChanged)]
        assert deliveries[0] == deliveries[-1] == "confirmed"
        assert "missing" in deliveries
        channel.stand.flood("phone.checkGroupCall", 2)
        channel.until(lambda: channel.parts.watch.delivery == "unconfirmed", "unconfirmed")
        assert channel.state is OutputState.ON_AIR
        channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed once it can be asked")


def test_one_call_a_chat(channel: LiveChannel) -> None:
    """Where the RTMP server fails for long, `auto` ends its own live stream and continues in the video chat."""
    with SfuProcess() as sfu:
        channel.stand.do(lambda: setattr(channel.stand.world, "answer_join", sfu.answer))
        channel.write_env(channel.stand.session_string(), TELEGRAM_TRANSPORT="auto")
        channel.start(patience_seconds=2.0)
        channel.until_on_air()
        first = call_of(channel)
        channel.nginx.stop()
        channel.until(lambda: channel.parts.output.transport == "call", "the other way")
        channel.until_on_air()
        channel.until(lambda: sfu.packets() > 100, "media in the call")
        assert call_of(channel).id != first.id
        assert not call_of(channel).rtmp_stream


def test_out_of_reach(channel: LiveChannel) -> None:
    """Telegram's API gone for a while takes no live stream off the air, and a lost connection reconnects with the saved key."""
    # With the pauses that the service has: the test's own quick ones would use up a minute's connections.
    channel.start(connection_pauses=CONNECTION_PAUSES)
    channel.until_on_air()
    channel.stand.stop()
    channel.nginx.stop()
    channel.until(lambda: channel.state is OutputState.RETRYING, "retrying")
    channel.nginx.start()
    channel.until_on_air()
    channel.until(lambda: channel.parts.watch.delivery == "unconfirmed", "unconfirmed")
    assert not channel.parts.facts().degraded
    channel.stand.start()
    stream(channel, StreamState.ADVANCING)
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed again", timeout=90)


@pytest.mark.long
def test_out_of_reach_at_the_start(channel: LiveChannel) -> None:
    """With no saved key and Telegram away the output is `retrying` with the reason, and on air once Telegram is back."""
    channel.stand.stop()
    channel.start()
    channel.until(lambda: channel.state is OutputState.RETRYING, "retrying", timeout=60)
    assert "cannot be reached" in channel.error
    assert not channel.parts.facts().degraded
    channel.stand.start()
    channel.until_on_air()
    assert channel.error == ""
