"""The pure parts of live takeover: setting, peers, refusals, states and messages."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.diagram import drawn
from tg_video_streamer.errors import ConfigError, MalformedMessage, PublisherRefused
from tg_video_streamer.ingest.address import ingest_warnings, parse_ingest
from tg_video_streamer.ingest.media import announced, part_of
from tg_video_streamer.ingest.refusals import MAX_REFUSALS, WINDOW_SECONDS, RefusalCounter, class_of, peer_of
from tg_video_streamer.ingest.state import LIVE_TRANSITIONS, LiveState
from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.chunks import MessageKind, RtmpMessage


def test_the_setting_is_taken_apart() -> None:
    """Host, port (1935 where none is given), application and key; the key is in no `repr`."""
    address = parse_ingest("rtmp://0.0.0.0/live/0123456789abcdef")
    assert (address.host, address.port, address.app, address.key) == ("0.0.0.0", 1935, "live", "0123456789abcdef")
    assert "0123" not in repr(address)
    assert parse_ingest("rtmp://[::]:1940/live/0123456789abcdef").place == "[::]:1940"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rtmps://0.0.0.0/live/SECRETSECRET", "must begin with rtmp://"),
        ("srt://0.0.0.0:1935/live/SECRETSECRET", "begins with rtmp://"),
        ("rtmp://0.0.0.0/SECRETSECRET", "/APP/KEY"),
        ("rtmp:///live/SECRETSECRET", "no host"),
        ("rtmp://0.0.0.0:99999/live/SECRETSECRET", "cannot be read"),
        ("rtmp://u:SECRETSECRET@0.0.0.0/live/SECRETSECRET", "not supported"),
        ("rtmp://0.0.0.0/live/SECRET", "at least 8 characters"),
        ("rtmp://0.0.0.0/live/SECRETSECRET?x=1", "neither"),
        ("SECRETSECRET", "begins with rtmp://"),
    ],
)
def test_a_wrong_setting_is_reported_without_its_value(text: str, said: str) -> None:
    """Every mistake has its own line, which starts with the setting and never contains the secret."""
    with pytest.raises(ConfigError) as error:
        parse_ingest(text)
    (problem,) = error.value.problems
    assert problem.startswith("LIVE_INGEST: ")
    assert said in problem
    assert "SECRET" not in problem


def test_a_weak_setting_is_a_warning() -> None:
    """A short key and an address outside the loopback are warnings."""
    assert ingest_warnings(parse_ingest("rtmp://127.0.0.1/live/0123456789abcdef")) == []
    short, open_ = ingest_warnings(parse_ingest("rtmp://0.0.0.0/live/short-key"))
    assert "can be guessed" in short
    assert "not encrypted" in open_
    assert "short-key" not in short + open_


def test_attempts_are_counted_by_peer_and_forgotten_in_time() -> None:
    """After five refusals within a minute that peer alone is blocked, for a minute."""
    attempts = RefusalCounter()
    assert [attempts.refused("one", now) for now in range(MAX_REFUSALS)] == [True, False, False, False, False]
    assert attempts.blocked("one", 5.0)
    assert not attempts.blocked("two", 5.0)
    assert not attempts.blocked("one", WINDOW_SECONDS + 0.5)


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 1e6)), max_size=50))
def test_attempts_know_no_more_than_they_must(tries: list[tuple[str, float]]) -> None:
    """A peer with fewer than five refusals is never blocked."""
    attempts = RefusalCounter()
    count: dict[str, int] = {}
    for peer, now in sorted(tries, key=lambda one: one[1]):
        attempts.refused(peer, now)
        count[peer] = count.get(peer, 0) + 1
        assert count[peer] >= MAX_REFUSALS or not attempts.blocked(peer, now)


def test_peers_are_addresses_and_networks() -> None:
    """All addresses of an IPv6 customer are one peer; a mapped IPv4 address is itself."""
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1")
    assert peer_of("::ffff:192.0.2.1") == peer_of("192.0.2.1") == "192.0.2.1"
    assert peer_of("192.0.2.1") != peer_of("192.0.2.2")
    assert [class_of(host) for host in ("127.0.0.1", "::1", "192.168.1.4", "fe80::1%eth0", "8.8.8.8", "?")] == [
        "this_host",
        "this_host",
        "local_network",
        "local_network",
        "internet",
        "internet",
    ]


@given(
    st.sampled_from([MessageKind.AUDIO, MessageKind.VIDEO, MessageKind.DATA]),
    st.one_of(
        st.binary(max_size=60),
        st.dictionaries(
            st.sampled_from(["width", "height", "framerate"]), st.floats() | st.text(max_size=3) | st.none()
        ).map(lambda fields: amf.encode("@setDataFrame", "onMetaData", amf.EcmaArray(fields))),
    ),
)
def test_any_message_is_understood_or_refused(kind: MessageKind, payload: bytes) -> None:
    """Any message is a known part or one of two errors, and announced values are plausible."""
    with contextlib.suppress(PublisherRefused):
        part_of(RtmpMessage(kind=kind, payload=payload))
    with contextlib.suppress(MalformedMessage):
        said = announced(payload)
        if said is not None:
            assert 0 <= said.width <= 8192
            assert 0 <= said.height <= 8192
            assert 0 <= said.frames_per_second <= 240


def test_diagram_is_the_table() -> None:
    """The diagram in the docstring equals the transition table."""
    assert drawn(LiveState.__doc__, LiveState) == LIVE_TRANSITIONS
