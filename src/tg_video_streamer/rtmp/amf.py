"""AMF0, the value encoding of RTMP commands (Adobe, "Action Message Format -- AMF 0"), written and read; pure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tg_video_streamer.errors import MalformedMessage

Value: TypeAlias = "float | int | bool | str | Mapping[str, Value] | Sequence[Value] | None"

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
_ECMA_ARRAY, _OBJECT_END, _STRICT_ARRAY, _DATE, _LONG_STRING = 0x08, 0x09, 0x0A, 0x0B, 0x0C
_DEEPEST = 16
"""Objects in objects beyond this are an attack, not a command."""


class EcmaArray(dict[str, "Value"]):
    """A mapping that is written as an ECMA array, as `onMetaData` requires."""


def encode(*values: Value) -> bytes:
    """The AMF0 bytes of `values`, one after the other."""
    return b"".join(_encode_one(value) for value in values)


def decode(data: bytes) -> list[Value]:
    """All values in `data`; arrays of either kind and objects become lists and dicts. Raises MalformedMessage."""
    values: list[Value] = []
    position = 0
    try:
        while position < len(data):
            value, position = _decode_one(data, position, 0)
            values.append(value)
    except (struct.error, IndexError) as error:
        raise MalformedMessage("an AMF0 value ends too early") from error
    return values


def _encode_one(value: Value) -> bytes:
    if value is None:
        return bytes([_NULL])
    if isinstance(value, bool):
        return bytes([_BOOLEAN, value])
    if isinstance(value, int | float):
        return struct.pack(">Bd", _NUMBER, value)
    if isinstance(value, str):
        text = value.encode()
        return struct.pack(">BH", _STRING, len(text)) + text if len(text) < 1 << 16 else _long_string(text)
    if isinstance(value, Mapping):
        head = struct.pack(">BI", _ECMA_ARRAY, len(value)) if isinstance(value, EcmaArray) else bytes([_OBJECT])
        return head + b"".join(_name(name) + _encode_one(one) for name, one in value.items()) + b"\0\0\x09"
    return struct.pack(">BI", _STRICT_ARRAY, len(value)) + b"".join(_encode_one(one) for one in value)


def _long_string(text: bytes) -> bytes:
    return struct.pack(">BI", _LONG_STRING, len(text)) + text


def _name(name: str) -> bytes:
    text = name.encode()
    return struct.pack(">H", len(text)) + text


def _decode_one(data: bytes, position: int, depth: int) -> tuple[Value, int]:
    """The value whose type byte is at `position`, and where the next one begins."""
    decoder = _DECODERS.get(data[position])
    if decoder is None:
        raise MalformedMessage(f"unknown AMF0 type {data[position]}")
    if depth > _DEEPEST:
        raise MalformedMessage("AMF0 objects are nested too deeply")
    return decoder(data, position + 1, depth)


def _number(data: bytes, position: int, _depth: int) -> tuple[Value, int]:
    return struct.unpack_from(">d", data, position)[0], position + 8


def _boolean(data: bytes, position: int, _depth: int) -> tuple[Value, int]:
    return data[position] != 0, position + 1


def _nothing(_data: bytes, position: int, _depth: int) -> tuple[Value, int]:
    return None, position


def _date(data: bytes, position: int, _depth: int) -> tuple[Value, int]:
    return struct.unpack_from(">d2x", data, position)[0], position + 10


def _short_text(data: bytes, position: int, _depth: int) -> tuple[Value, int]:
    return _text(data, position + 2, struct.unpack_from(">H", data, position)[0])


def _long_text(data: bytes, position: int, _depth: int) -> tuple[Value, int]:
    return _text(data, position + 4, struct.unpack_from(">I", data, position)[0])


def _text(data: bytes, start: int, length: int) -> tuple[str, int]:
    end = start + length
    if end > len(data):
        raise MalformedMessage("an AMF0 string ends too early")
    return data[start:end].decode(errors="replace"), end


def _fields(data: bytes, position: int, depth: int) -> tuple[Value, int]:
    fields: dict[str, Value] = {}
    while True:
        name, position = _text(data, position + 2, struct.unpack_from(">H", data, position)[0])
        if data[position] == _OBJECT_END:
            return fields, position + 1
        fields[name], position = _decode_one(data, position, depth + 1)


def _counted_fields(data: bytes, position: int, depth: int) -> tuple[Value, int]:
    return _fields(data, position + 4, depth)


def _array(data: bytes, position: int, depth: int) -> tuple[Value, int]:
    count = struct.unpack_from(">I", data, position)[0]
    position += 4
    if count > len(data) - position:
        raise MalformedMessage("an AMF0 array is longer than its message")
    values: list[Value] = []
    for _ in range(count):
        value, position = _decode_one(data, position, depth + 1)
        values.append(value)
    return values, position


_DECODERS: dict[int, Callable[[bytes, int, int], tuple[Value, int]]] = {
    _NUMBER: _number,
    _BOOLEAN: _boolean,
    _STRING: _short_text,
    _OBJECT: _fields,
    _NULL: _nothing,
    _UNDEFINED: _nothing,
    _ECMA_ARRAY: _counted_fields,
    _STRICT_ARRAY: _array,
    _DATE: _date,
    _LONG_STRING: _long_text,
}
