"""Converts form fields, query parameters and JSON values into a command's arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tg_video_streamer.control.commands import COMMANDS, CommandRequest, make_request
from tg_video_streamer.errors import ControlError, RequestRefused
from tg_video_streamer.locales.message import Message

_SWITCH = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
MAX_INTEGER = 2**31 - 1
"""The largest integer accepted; its negative is the smallest."""


def from_texts(name: str, texts: Mapping[str, str]) -> CommandRequest:
    """The request for a command whose arguments are texts. Raises RequestRefused with 422."""
    kinds = COMMANDS[name].arguments
    return from_values(name, {word: _value(word, text, kinds.get(word, str)) for word, text in texts.items()})


def from_values(name: str, values: Mapping[str, Any]) -> CommandRequest:
    """The request for a command whose arguments are JSON values. Raises RequestRefused with 422."""
    kinds = COMMANDS[name].arguments
    # JSON has one kind of number: 3.0 is an integer to every schema.
    values = {
        word: int(value) if kinds.get(word) is int and type(value) is float and value.is_integer() else value
        for word, value in values.items()
    }
    try:
        request = make_request(name, values)
    except ControlError as error:
        raise RequestRefused(error.message, status=422, remedy=Message.of("web.see_api")) from error
    for word, value in values.items():
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise RequestRefused(Message.of("web.too_large", name=word, limit=MAX_INTEGER), status=422)
    return request


def _value(word: str, text: str, kind: type) -> Any:
    if kind is bool:
        if (found := _SWITCH.get(text.strip().lower())) is not None:
            return found
        raise RequestRefused(Message.of("web.no_switch", name=word), status=422)
    if kind is int:
        if re.fullmatch(r"\s*[+-]?[0-9]{1,10}\s*", text):
            return int(text)
        raise RequestRefused(Message.of("web.no_number", name=word), status=422)
    return text
