"""Messages: one JSON form for every reader, and every reader's own language."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import LANGUAGES, Translator

RU = Translator(language=LANGUAGES["ru"])


def test_a_message_survives_json() -> None:
    """What is written as JSON is read as the same message, with the message inside of it."""
    message = Message.of("position", at="0:07", length=Message.of("unknown"))
    assert Message.from_json(json.loads(json.dumps(asdict(message)))) == message


def test_a_message_is_rendered_in_each_language() -> None:
    """English for logs, the reader's language for people, inner messages too."""
    message = Message.of("position", at="0:07", length=Message.of("unknown"))
    assert str(message) == "0:07 of unknown"
    assert RU.message_text(message) == "0:07 из неизвестно"
    assert RU.message(Message.raw("<b>")) == "&lt;b&gt;"


def test_a_message_of_another_version_keeps_its_english_text() -> None:
    """A client that does not know the key shows the text that came with it."""
    sent = {"key": "of.a.later.version", "values": {"count": 3}, "text": "three of them"}
    assert RU.message_text(Message.from_json(sent)) == "three of them"


def test_an_unknown_key_is_a_defect() -> None:
    """A misspelled key is found where the message is made."""
    with pytest.raises(KeyError):
        Message.of("of.no.table")
