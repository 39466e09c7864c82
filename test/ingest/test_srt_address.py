"""The doors of LIVE_INGEST, and FLV that arrives in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import ConfigError, MalformedMessage
from tg_video_streamer.ingest.address import parse_doors
from tg_video_streamer.rtmp import flv
from tg_video_streamer.rtmp.chunks import RtmpMessage
from tg_video_streamer.rtmp.flv_reader import FlvReader

_RTMP, _SRT = "rtmp://127.0.0.1/live/0123456789abcdef", "srt://[::]:9000?passphrase=0123456789"


def test_there_is_one_door_of_each_kind() -> None:
    """Either or both, in any order; the passphrase is in no `repr`."""
    doors = parse_doors(f"{_SRT}  {_RTMP}")
    assert doors.rtmp is not None
    assert doors.srt is not None
    assert (doors.srt.host, doors.srt.port, doors.srt.passphrase) == ("::", 9000, "0123456789")
    assert doors.srt.place == "[::]:9000"
    assert "0123" not in repr(doors)
    assert parse_doors(_RTMP).srt is None
    assert parse_doors(_SRT).rtmp is None
    assert parse_doors("") == parse_doors(" ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("srt://0.0.0.0:9000", "has the option passphrase"),
        ("srt://0.0.0.0:9000?passphrase=SECRET", "10 to 79 characters"),
        ("srt://0.0.0.0:9000?passphrase=SECRET%20SECRET", "10 to 79 characters"),
        ("srt://0.0.0.0:9000?passphrase=SECRETSECRET&mode=caller", "and no other one"),
        ("srt://0.0.0.0:9000/live/SECRETSECRET", "write srt://"),
        ("srt://0.0.0.0?passphrase=SECRETSECRET", "write srt://"),
        ("srt://0.0.0.0:x?passphrase=SECRETSECRET", "cannot be read"),
        (f"{_SRT} {_SRT}", "one srt:// address"),
        (f"{_RTMP} {_RTMP}", "one rtmp:// address"),
    ],
)
def test_a_wrong_door_is_reported_without_its_value(text: str, said: str) -> None:
    """Every mistake has its own line, which starts with the setting and never contains the secret."""
    with pytest.raises(ConfigError) as error:
        parse_doors(text)
    (problem,) = error.value.problems
    assert problem.startswith("LIVE_INGEST: ")
    assert said in problem
    assert "SECRET" not in problem


_TAGS = st.lists(
    st.tuples(st.sampled_from([flv.AUDIO, flv.VIDEO, flv.SCRIPT]), st.integers(0, 2**32 - 1), st.binary(max_size=300))
)


@given(_TAGS, st.lists(st.integers(1, 40), min_size=1))
def test_a_file_in_pieces_is_the_same_messages(tags: list[tuple[int, int, bytes]], sizes: list[int]) -> None:
    """Wherever it is cut, each tag becomes one message with its time and payload."""
    data = flv.FILE_HEADER + b"".join(flv.file_tag(kind, time, b"", payload) for kind, time, payload in tags)
    reader, found, at, turn = FlvReader(), list[RtmpMessage](), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found += reader.receive(data[at : at + size])
        at, turn = at + size, turn + 1
    assert [(one.kind, one.milliseconds, one.payload) for one in found] == tags


def test_what_is_no_file_is_refused() -> None:
    """Anything else than FLV is an error at its first bytes."""
    with pytest.raises(MalformedMessage):
        FlvReader().receive(b"RIFF-and-more-of-it")
