"""What the loopback Telegram knows: users, chats, calls, keys and tokens; none of it is lost by a restart."""

from __future__ import annotations

import base64
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stands.secrets import never_shown
from stands.telegram_dc.keys import AuthKey, Refusal, ServerKey, server_key

HOME_DC, OTHER_DC = 2, 4
API_ID, API_HASH = 12345, "0123456789abcdef0123456789abcdef"
CODE = "12345"
PASSWORD = "correct horse"  # noqa: S105 - nobody's
PHONE, SECOND_PHONE = "15550001111", "15550002222"
USER_ID, SECOND_USER_ID = 777001, 777002
CHANNEL_ID, GROUP_ID, READ_ONLY_ID, INVITE_ONLY_ID, SMALL_GROUP_ID = 5001, 3_000_000_001, 5003, 5004, 6001
CHANNEL_NAME = "testchan"
INVITE_HASH = "AbCdEf1234567890"
RTMP_URL, RTMP_KEY = "rtmps://rtmp.invalid/s/", "5001:test-stream-key"
never_shown(API_HASH, PASSWORD, PHONE, SECOND_PHONE, RTMP_KEY)


class RpcFailed(Exception):
    """A refusal that goes to the client as rpc_error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Role(StrEnum):
    """What a user is in a chat."""

    CREATOR = "creator"
    CALL_ADMIN = "call_admin"
    ADMIN = "admin"
    MEMBER = "member"


class StreamState(StrEnum):
    """What getGroupCallStreamChannels returns."""

    EMPTY = "empty"
    ADVANCING = "advancing"
    STANDING = "standing"


class Fault(StrEnum):
    """What may happen to a request instead of an answer."""

    SILENT = "silent"
    DROP = "drop"
    LOST = "lost"
    """It is carried out, and the connection breaks before the answer."""


@dataclass(frozen=True, slots=True)
class BadMessage:
    """The message is not taken: bad_msg_notification, or bad_server_salt for 48 (with the salt that the client has)."""

    code: int


@dataclass(frozen=True, slots=True)
class TransportCode:
    """Four bytes instead of a message, such as -404 or -429."""

    code: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Any TL object, or these bytes, as the result; `carried_out`: the request has its effect all the same."""

    result: Any
    carried_out: bool = False


Planned = Refusal | Fault | BadMessage | TransportCode | Answer | None
"""What happens to a request; None: it is answered as ever."""


@dataclass(slots=True)
class User:
    """An account; `password` is its second factor, None for none."""

    id: int
    phone: str
    name: str
    dc: int = HOME_DC
    password: str | None = None


@dataclass(slots=True)
class Participant:
    """Somebody in a call: `owner` is the account behind it, `peer` who it appears as (a TL peer)."""

    owner: int
    peer: Any
    source: int
    muted: bool = False
    video_stopped: bool = True


@dataclass(slots=True)
class Call:
    """A video chat or a live stream."""

    id: int
    access_hash: int
    rtmp_stream: bool
    title: str | None = None
    version: int = 1
    participants: list[Participant] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    owner: int = 0
    """The account that started it; 0 for somebody of whom nothing is known."""
    scheduled_at: int = 0
    """It is announced for then and does not run; 0 for one that runs."""


class FileKind(StrEnum):
    """What a file is to Telegram's apps."""

    VIDEO = "video"
    VIDEO_NOTE = "video note"
    AUDIO = "audio"
    VOICE = "voice"
    ANIMATION = "animation"
    PHOTO = "photo"
    DOCUMENT = "document"
    STICKER = "sticker"


@dataclass(slots=True)
class StoredFile:
    """The media of a message, in the data center `dc`."""

    data: bytes = field(repr=False)
    kind: FileKind = FileKind.VIDEO
    name: str = ""
    mime: str = "video/mp4"
    seconds: float = 0.0
    title: str = ""
    performer: str = ""
    dc: int = HOME_DC
    cdn: bool = False
    """Telegram sends clients on to a CDN for it."""
    id: int = field(default_factory=lambda: int.from_bytes(os.urandom(7), "little"))
    access_hash: int = field(default_factory=lambda: int.from_bytes(os.urandom(7), "little"))
    reference: bytes = field(default_factory=lambda: os.urandom(8))
    """Requests with another one have expired."""


@dataclass(slots=True)
class Message:
    """A text in a chat; no sender: signed by the chat itself. `age_seconds`: so long ago it was written when it is sent."""

    sender: int | None
    text: str
    reply_to: int | None = None
    age_seconds: float = 0.0
    id: int = 0
    edits: int = 0
    file: StoredFile | None = None
    album: int | None = None
    """Messages of the same album have the same number."""


@dataclass(slots=True)
class Chat:
    """A channel, a supergroup, or a basic group (`small`); `roles` by user id."""

    id: int
    title: str
    access_hash: int
    broadcast: bool = False
    small: bool = False
    username: str | None = None
    invite_hash: str | None = None
    roles: dict[int, Role] = field(default_factory=dict)
    rtmp: tuple[str, str] = (RTMP_URL, RTMP_KEY)
    call: Call | None = None
    call_log: list[Call] = field(default_factory=list)
    """The calls that were started, as the log of recent actions has them."""
    messages: dict[int, Message] = field(default_factory=dict)
    pinned: int = 0
    sent: set[int] = field(default_factory=set)
    """The random ids of messages, each of which is taken once."""
    migrated_to: int = 0
    """The supergroup that a small group became."""
    pts: int = 1


@dataclass(slots=True)
class LoginToken:
    """A QR code: who asked for it, until when it counts, and who has scanned it."""

    token: bytes
    key: AuthKey
    expires: float
    accepted_by: int | None = None


class World:
    """The state that the handlers read and change; only the server's thread touches it while the server runs."""

    def __init__(self) -> None:
        self.rsa: ServerKey = server_key()
        self.keys: dict[tuple[int, bytes], AuthKey] = {}
        self.ports: dict[int, int] = {}
        self.users = {
            USER_ID: User(id=USER_ID, phone=PHONE, name="Test"),
            SECOND_USER_ID: User(id=SECOND_USER_ID, phone=SECOND_PHONE, name="Second", dc=OTHER_DC),
        }
        self.chats = {chat.id: chat for chat in _chats()}
        self.code = CODE
        self.code_hash = "code-hash"
        self.codes_expired = False
        self.login_tokens: list[LoginToken] = []
        self.exports: dict[bytes, int] = {}
        self.srp: dict[int, tuple[int, int, int, int]] = {}
        self.salts = (os.urandom(16), os.urandom(32))
        self.requests: list[tuple[str, Any]] = []
        self.injected: dict[str, list[Planned]] = {}
        self.always: dict[tuple[str, int | None], Planned] = {}
        """By method ("*": any) and data center (None: each)."""
        self.chance: Callable[[str, int], Planned] = lambda _method, _dc: None
        """What happens where nothing else is planned, by method in lower case and data center."""
        self.refuse = False
        self.exchanges_to_spoil = 0
        self.silent = False
        self.clock_offset = 0.0
        self.connections_made = 0
        self.rtmp_roles = {Role.CREATOR, Role.CALL_ADMIN}
        self.stream = StreamState.EMPTY
        self.stream_dc = OTHER_DC
        self.viewers: int | None = None
        self.dialogs_at_most = 100
        self.answer_join: Callable[[str], str] | None = None
        self.last_message_id = 0
        self.migrated_word = "PEER_ID_INVALID"
        """What a request for a small group that became a supergroup is answered; empty: with the description of both."""
        self.on_part: Callable[[StoredFile, int], None] | None = None
        """Called before each part of a file is sent, with its offset; may raise RpcFailed."""

    def now(self) -> float:
        """Seconds since 1970 as this Telegram believes."""
        return time.time() + self.clock_offset

    def planned(self, method: str, dc: int) -> Planned:
        """What happens to the next request of `method` in lower case."""
        queue = self.injected.get(method) or self.injected.get("*")
        if queue:
            return queue.pop(0)
        found = ((method, dc), (method, None), ("*", dc), ("*", None))
        always = next((self.always[one] for one in found if one in self.always), None)
        return always if always is not None else self.chance(method, dc)

    def add_key(self, key: AuthKey) -> AuthKey:
        """Know a key from now on."""
        self.keys[key.dc, key.id] = key
        return key

    def key_of(self, user_id: int, dc: int | None = None) -> AuthKey:
        """A new key that `user_id` is logged in with."""
        return self.add_key(AuthKey(dc=dc or self.users[user_id].dc, user_id=user_id))

    def new_token(self, key: AuthKey, seconds: float) -> LoginToken:
        """A login token for `key`; the ones it had before no longer count."""
        self.login_tokens = [one for one in self.login_tokens if one.key is not key]
        token = LoginToken(token=secrets.token_bytes(24), key=key, expires=self.now() + seconds)
        self.login_tokens.append(token)
        return token

    def accept(self, token: bytes, user_id: int) -> LoginToken:
        """The phone of `user_id` scanned the code; raises RpcFailed."""
        for one in self.login_tokens:
            if one.token == token:
                if one.expires < self.now():
                    raise RpcFailed(400, "AUTH_TOKEN_EXPIRED")
                one.accepted_by = user_id
                return one
        raise RpcFailed(400, "AUTH_TOKEN_INVALID")

    def call_of(self, call_id: int) -> tuple[Chat, Call]:
        """The chat and the call; raises RpcFailed."""
        for chat in self.chats.values():
            if chat.call is not None and chat.call.id == call_id:
                return chat, chat.call
        raise RpcFailed(400, "GROUPCALL_INVALID")


def token_of(url: str) -> bytes:
    """The token in the `tg://login?token=…` of a QR code."""
    text = url.partition("token=")[2]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _chats() -> list[Chat]:
    return [
        Chat(
            id=CHANNEL_ID,
            title="Test channel",
            access_hash=55,
            broadcast=True,
            username=CHANNEL_NAME,
            roles={USER_ID: Role.CREATOR, SECOND_USER_ID: Role.MEMBER},
        ),
        Chat(id=GROUP_ID, title="Test group", access_hash=56, roles={USER_ID: Role.CALL_ADMIN}),
        Chat(
            id=READ_ONLY_ID,
            title="Only read",
            access_hash=57,
            broadcast=True,
            username="onlyread",
            roles={USER_ID: Role.MEMBER, SECOND_USER_ID: Role.CREATOR},
        ),
        Chat(
            id=INVITE_ONLY_ID,
            title="By invitation",
            access_hash=58,
            invite_hash=INVITE_HASH,
            roles={USER_ID: Role.CREATOR, SECOND_USER_ID: Role.CREATOR},
        ),
        Chat(id=SMALL_GROUP_ID, title="Small group", access_hash=0, small=True, roles={USER_ID: Role.CREATOR}),
    ]
