"""Session strings: what is read is what was written, and garbage is recognized."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.sessions import StringSession

from stands.telegram_dc.world import API_ID
from tg_video_streamer.errors import SessionEnded, SessionEnding
from tg_video_streamer.telegram.client.session_string import SessionKey, masked, read_session_string, telethon_string

keys = st.binary(min_size=256, max_size=256).filter(any)
users = st.integers(min_value=1, max_value=2**63 - 1)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(lambda address: address.compressed)
centers = st.integers(min_value=1, max_value=5)


@given(dc_id=st.integers(1, 255), address=addresses, port=st.integers(1, 65535), key=keys)
def test_telethon_both_ways(dc_id: int, address: str, port: int, key: bytes) -> None:
    """Telethon reads what is written here, and what it writes is read here."""
    session = SessionKey(dc_id=dc_id, address=address, port=port, key=key)
    theirs = StringSession(telethon_string(session))
    assert (theirs.dc_id, theirs.server_address, theirs.port, theirs.auth_key.key) == (dc_id, address, port, key)
    assert read_session_string(theirs.save()) == session


@given(dc_id=centers, key=keys, user_id=users, padded=st.booleans(), test_mode=st.booleans())
def test_kurigram(dc_id: int, key: bytes, user_id: int, padded: bool, test_mode: bool) -> None:  # noqa: FBT001 - drawn
    """Today's format of Pyrogram's heirs gives the same key, its user, and its data center's address."""
    packed = struct.pack(">BI?256sQB", dc_id, API_ID, test_mode, key, user_id, 0)
    text = base64.urlsafe_b64encode(packed).decode()
    if test_mode and dc_id > 3:
        with pytest.raises(SessionEnded):
            read_session_string(text)
        return
    session = read_session_string(text if padded else text.rstrip("="))
    assert (session.dc_id, session.key, session.user_id) == (dc_id, key, user_id)
    assert session.port == (80 if test_mode else 443)
    assert StringSession(telethon_string(session)).auth_key.key == key


@given(dc_id=centers, key=keys, user_id=st.integers(1, 2**32 - 1), wide=st.booleans())
def test_older_pyrogram(dc_id: int, key: bytes, user_id: int, wide: bool) -> None:  # noqa: FBT001 - drawn
    """Both older formats, with small and with large user ids, are read too."""
    packed = struct.pack(">BB256sQB" if wide else ">BB256sIB", dc_id, 0, key, user_id, 0)
    session = read_session_string(base64.urlsafe_b64encode(packed).decode().rstrip("="))
    assert (session.dc_id, session.key, session.user_id) == (dc_id, key, user_id)


@given(st.one_of(st.text(), st.text(alphabet="1ABCabc-_=", max_size=400), st.binary(max_size=300).map(repr)))
def test_anything_at_all(text: str) -> None:
    """Whatever the text, the answer is a key of the right size or an ending called garbage that repeats nothing of it."""
    error = None
    try:
        session = read_session_string(text)
    except SessionEnded as ended:
        error = ended
    if error is None:
        assert len(session.key) == 256
        return
    assert error.ending is SessionEnding.GARBAGE
    assert len(text) < 12 or text not in str(error)


@given(key=keys, cut=st.integers(1, 350))
def test_truncated(key: bytes, cut: int) -> None:
    """A string that lost its end is never taken for a shorter kind."""
    whole = telethon_string(SessionKey(dc_id=2, address="127.0.0.1", port=443, key=key)).rstrip("=")
    with pytest.raises(SessionEnded):
        read_session_string(whole[:-cut])


@given(st.text(max_size=500))
def test_masked(text: str) -> None:
    """At most four characters of a string are ever shown."""
    assert len(masked(text).removeprefix("***").removeprefix("...")) <= 4
    assert masked("") == "***"
