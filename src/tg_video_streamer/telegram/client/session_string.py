"""The session strings of Telethon and of Pyrogram or Kurigram, read and written as plain data."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import struct
from dataclasses import dataclass, field

from tg_video_streamer.errors import SessionEnded, SessionEnding
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.session.renewal_command import RENEW

_DATA_CENTERS = {
    1: "149.154.175.53",
    2: "149.154.167.51",
    3: "149.154.175.100",
    4: "149.154.167.91",
    5: "91.108.56.130",
}
_TEST_CENTERS = {1: "149.154.175.10", 2: "149.154.167.40", 3: "149.154.175.117"}
"""Telegram's own, as help.getConfig lists them: Pyrogram's strings carry the number only."""
_BASE64 = re.compile(r"[A-Za-z0-9_-]+")
_TELETHON_V4, _TELETHON_V6 = ">B4sH256s", ">B16sH256s"
_PYROGRAM = {
    struct.calcsize(layout): layout
    for layout in (">B?256sI?", ">B?256sQ?", ">BI?256sQ?")  # two old ones (32 and 64 bit user ids) and today's
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionKey:
    """What a session string holds: the authorization key, and the data center that knows it."""

    dc_id: int
    address: str
    """IPv4 or IPv6, without brackets."""
    port: int
    key: bytes = field(repr=False)
    user_id: int = 0
    """0 where the format does not say it (Telethon's)."""


def read_session_string(text: str) -> SessionKey:
    """The content of a string in any of the formats; raises SessionEnded (garbage) that says what is wrong with it."""
    string = text.strip().rstrip("=")
    if not string:
        raise _garbage("telegram.no_string")
    if not _BASE64.fullmatch(string):
        raise _garbage("session_string.characters")
    known = _telethon(string) or _pyrogram(string)
    if known is None:
        raise _garbage("session_string.length", count=len(string))
    if not any(known.key):
        raise _garbage("session_string.no_key")
    return known


def telethon_string(session: SessionKey) -> str:
    """The same in Telethon's format."""
    address = ipaddress.ip_address(session.address).packed
    layout = _TELETHON_V4 if len(address) == 4 else _TELETHON_V6
    packed = struct.pack(layout, session.dc_id, address, session.port, session.key)
    return "1" + base64.urlsafe_b64encode(packed).decode()


def masked(text: str) -> str:
    """A session string as it may be shown: its last four characters, and nothing of a short one."""
    string = text.strip().rstrip("=")
    return f"***...{string[-4:]}" if len(string) > 64 else "***"


def _garbage(key: str, **values: int) -> SessionEnded:
    remedy = Message.of("run_command", command=RENEW)
    return SessionEnded(Message.of(key, **values), ending=SessionEnding.GARBAGE, remedy=remedy)


def _bytes(string: str) -> bytes:
    """Base64 without its padding; empty where it is none."""
    try:
        return base64.urlsafe_b64decode(string + "=" * (-len(string) % 4))
    except (binascii.Error, ValueError):
        return b""


def _telethon(string: str) -> SessionKey | None:
    """A "1", then data center, address, port and key. None where it is another format."""
    if string[0] != "1":
        return None
    packed = _bytes(string[1:])
    layout = next((one for one in (_TELETHON_V4, _TELETHON_V6) if struct.calcsize(one) == len(packed)), None)
    if layout is None:
        return None
    dc_id, address, port, key = struct.unpack(layout, packed)
    if dc_id == 0 or port == 0:
        raise _garbage("session_string.no_server")
    return SessionKey(dc_id=dc_id, address=ipaddress.ip_address(address).compressed, port=port, key=key)


def _pyrogram(string: str) -> SessionKey | None:
    """Data center, key and user, without an address. None where it is another format."""
    packed = _bytes(string)
    layout = _PYROGRAM.get(len(packed))
    if layout is None:
        return None
    dc_id, *_, test_mode, key, user_id, _bot = struct.unpack(layout, packed)
    address = (_TEST_CENTERS if test_mode else _DATA_CENTERS).get(dc_id)
    if address is None:
        raise _garbage("session_string.no_data_center")
    return SessionKey(dc_id=dc_id, address=address, port=80 if test_mode else 443, key=key, user_id=user_id)
