"""The pure parts of live takeover: setting, peers, refusals, states and messages."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.diagram import drawn
from tg_video_streamer.errors import ConfigError, MalformedMessage, PublisherRefused
from tg_video_streamer.ingest.address import ingest_warnings, parse_ingest
from tg_video_streamer.ingest.admission import MAX_PER_PEER, MAX_UNAUTHENTICATED, Admission, Unauthenticated
from tg_video_streamer.ingest.media import announced, part_of
from tg_video_streamer.ingest.refusals import RefusalLog, class_of, peer_of
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


def test_a_refused_peer_is_logged_once_a_minute() -> None:
    """A peer that is refused again and again leaves a line a minute, next to those of others."""
    refusals = RefusalLog()
    assert [refusals.is_first("one", float(now)) for now in range(62)].count(True) == 2
    assert refusals.is_first("two", 5.0)


def test_the_least_advanced_connection_makes_room() -> None:
    """Of too many connections of one peer the oldest of the least advanced goes; an encoder that has said more stays."""
    held = [
        Unauthenticated(number=number, peer="one", progress=2 if number == 0 else 0) for number in range(MAX_PER_PEER)
    ]
    assert Admission().surplus("one", held[:-1]) is None
    assert Admission().surplus("one", held) == 1
    assert Admission().surplus("two", held) is None


def test_others_take_no_place_of_a_peer_that_has_published() -> None:
    """With all places taken the peer with the most connections loses one, and one that has published before loses none."""
    admission = Admission()
    admission.published("operator")
    own = Unauthenticated(number=0, peer="operator", progress=0)
    strangers = [Unauthenticated(number=1 + n, peer=f"peer {n // 3}", progress=0) for n in range(MAX_UNAUTHENTICATED)]
    assert admission.surplus("new", [own, *strangers]) == 1
    assert admission.surplus("operator", [own, *strangers]) is None
    assert admission.surplus("new", [own, *strangers[1:]]) is None


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
