"""Reads an FLV file as it arrives, as messages of RTMP, which have the same payloads; pure.

Adobe, "Video File Format Specification Version 10.1", annex E.2 and E.4.
"""

from __future__ import annotations

from tg_video_streamer.errors import MalformedMessage
from tg_video_streamer.rtmp.chunks import RtmpMessage

_FILE_HEADER_BYTES = 9
_TAG_HEADER_BYTES = 11
_SIZE_BYTES = 4
"""The length of the tag before it stands in front of each tag."""
_KIND = 0x1F


class FlvReader:
    """One file from its beginning."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._begun = False

    def receive(self, data: bytes) -> list[RtmpMessage]:
        """The messages that are whole now. Raises MalformedMessage where this is no FLV file."""
        self._data += data
        if not self._begun:
            if len(self._data) < _FILE_HEADER_BYTES:
                return []
            if self._data[:3] != b"FLV":
                raise MalformedMessage("not an FLV file")
            del self._data[:_FILE_HEADER_BYTES]
            self._begun = True
        messages: list[RtmpMessage] = []
        at = 0
        while (end := self._tag_end(at)) is not None:
            messages.append(_message(bytes(self._data[at + _SIZE_BYTES : end])))
            at = end
        del self._data[:at]
        return messages

    def _tag_end(self, at: int) -> int | None:
        """Where the tag that begins `at` ends; None where it is not whole yet."""
        body = at + _SIZE_BYTES + _TAG_HEADER_BYTES
        if len(self._data) < body:
            return None
        size = int.from_bytes(self._data[at + _SIZE_BYTES + 1 : at + _SIZE_BYTES + 4], "big")
        return body + size if len(self._data) >= body + size else None


def _message(tag: bytes) -> RtmpMessage:
    milliseconds = int.from_bytes(tag[4:7], "big") | tag[7] << 24
    return RtmpMessage(kind=tag[0] & _KIND, payload=tag[_TAG_HEADER_BYTES:], milliseconds=milliseconds)
