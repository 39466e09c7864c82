"""The words on the control socket: any bytes are a request or an error, and a status arrives as it was sent."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stands.small_channel import SmallChannel
from tg_video_streamer.control.commands import COMMANDS
from tg_video_streamer.control.socket import protocol
from tg_video_streamer.errors import ControlError

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_a_request_or_an_error(line: bytes) -> None:
    """Bytes that are no request raise ControlError and nothing else."""
    with suppress(ControlError):
        protocol.parse_request(line)


@settings(deadline=None)
@given(st.sampled_from(list(COMMANDS)), st.dictionaries(st.sampled_from(["on", "line", "key", "x"]), _VALUES))
def test_a_request_has_exactly_the_arguments_of_its_command(command: str, arguments: dict[str, Any]) -> None:
    """A request is taken only with the arguments, of the types, that its command has."""
    wanted = COMMANDS[command].arguments
    right = arguments.keys() == wanted.keys() and all(isinstance(arguments[name], wanted[name]) for name in wanted)
    line = protocol.encode({"command": command, **arguments})
    if right:
        assert protocol.parse_request(line).arguments == arguments
    else:
        with pytest.raises(ControlError):
            protocol.parse_request(line)


@settings(deadline=None)
@given(st.binary() | _VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_reply_or_an_error(line: bytes) -> None:
    """A client that gets nonsense raises ControlError and nothing else."""
    with suppress(ControlError):
        protocol.parse_reply(line)


@settings(deadline=None)
@given(_VALUES)
def test_nonsense_is_no_status(value: Any) -> None:
    """A reply of another version is reported as such, not as a traceback."""
    with pytest.raises(ControlError, match="another version"):
        protocol.status_from_json(value)


def test_deep_nesting_is_an_error() -> None:
    """A line of brackets within brackets is refused like any other nonsense."""
    with pytest.raises(ControlError):
        protocol.parse_request(b"[" * 60_000)


def test_a_status_arrives_as_it_was_sent() -> None:
    """The status that a client gets equals the service's, also where the service says more than the client knows."""
    status = SmallChannel().status()
    sent = status.as_json() | {"invented_later": 1}
    assert protocol.status_from_json(protocol.parse_reply(protocol.success(sent))) == status


def test_half_a_surrogate_pair_is_carried() -> None:
    """A file name in another encoding, as Python reads it, goes through the socket and back."""
    assert protocol.parse_reply(protocol.success("caf\udce9")) == "caf\udce9"
