"""CHAT_ID in every form that people paste."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.telegram.chat.reference import ChatReference, ReferenceKind, parse_chat_reference

NAME, INVITE, CHANNEL, GROUP = ReferenceKind.NAME, ReferenceKind.INVITE, ReferenceKind.CHANNEL, ReferenceKind.GROUP
FORMS = [
    ("@TestChan", NAME, "testchan"),
    (" @testchan ", NAME, "testchan"),
    ("https://t.me/TestChan", NAME, "testchan"),
    ("t.me/testchan/123", NAME, "testchan"),
    ("http://telegram.me/testchan?livestream", NAME, "testchan"),
    ("https://t.me/s/testchan", NAME, "testchan"),
    ("https://testchan.t.me/", NAME, "testchan"),
    ("tg://resolve?domain=testchan", NAME, "testchan"),
    ("https://t.me/+AbCdEf1234567890", INVITE, "AbCdEf1234567890"),
    ("https://t.me/joinchat/AbCdEf_123-4567890", INVITE, "AbCdEf_123-4567890"),
    ("tg://join?invite=AbCdEf1234567890", INVITE, "AbCdEf1234567890"),
    ("-1001234567890", CHANNEL, "1234567890"),
    ("-1003000000001", CHANNEL, "3000000001"),
    ("-1000000005001", CHANNEL, "5001"),
    ("-1012345678901", CHANNEL, "12345678901"),
    ("-1997852516352", CHANNEL, "997852516352"),
    ("https://t.me/c/1234567890/55", CHANNEL, "1234567890"),
    ("-6001", GROUP, "6001"),
    ("-999999999999", GROUP, "999999999999"),
]
NONE = [
    "testchan",
    "12345",
    "-1000000000000",
    "-1997852516353",
    "-99999999999999999999",
    "@ab",
    "@1abcd",
    "https://example.com/testchan",
    "https://t.me/",
    "https://t.me/+short",
    "https://t.me/c/notanumber/1",
    "tg://resolve?phone=1",
    "ftp://t.me/testchan",
    "",
]


@pytest.mark.parametrize(("text", "kind", "meaning"), FORMS, ids=[one[0] for one in FORMS])
def test_forms(text: str, kind: ReferenceKind, meaning: str) -> None:
    """Names, links, invitations and ids of any size are recognized; -100… is a sum and no prefix."""
    assert parse_chat_reference(text) == ChatReference(kind=kind, text=meaning)


@pytest.mark.parametrize("text", NONE)
def test_no_chat(text: str) -> None:
    """What names no chat is one problem, which says what may stand there."""
    with pytest.raises(ConfigError) as caught:
        parse_chat_reference(text)
    (problem,) = caught.value.problems
    assert problem.startswith("CHAT_ID: ")
    assert "@name" in problem


def test_an_invitation_is_not_shown() -> None:
    """An invite link admits every reader."""
    assert "AbCdEf1234567890" not in repr(parse_chat_reference("https://t.me/+AbCdEf1234567890"))
    with pytest.raises(ConfigError) as caught:
        parse_chat_reference("https://t.me/+SecretSecret!")
    assert "Secret" not in str(caught.value)


@given(st.integers(min_value=1, max_value=997_852_516_352))
def test_every_channel_id(channel: int) -> None:
    """The id of every channel comes back from its marked form."""
    assert parse_chat_reference(str(-1_000_000_000_000 - channel)).number == channel


@example("tg://[")
@given(st.text(max_size=60) | st.from_regex(r"(?:https://)?t\.me/\S{0,40}|tg://\S{0,30}|@\S{0,20}", fullmatch=True))
def test_any_text(text: str) -> None:
    """Whatever stands there is a reference or a ConfigError."""
    with contextlib.suppress(ConfigError):
        parse_chat_reference(text)
