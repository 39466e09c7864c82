"""A Telegram on the loopback: real MTProto over real sockets, two data centers, in a thread, driven by the test.

with TelegramStand() as stand:
    credentials = stand.credentials(stand.session_string())
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import os
import struct
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from pyrogram.raw import types

from stands.secrets import never_shown_here
from stands.telegram_dc import calls
from stands.telegram_dc.accounts import ACCOUNTS, HOST
from stands.telegram_dc.calls import CALLS
from stands.telegram_dc.chats import CHATS, tl_peer
from stands.telegram_dc.files import FILES
from stands.telegram_dc.login import LOGIN, announce_acceptance
from stands.telegram_dc.messages import MESSAGES, say
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import (
    API_HASH,
    API_ID,
    CHANNEL_ID,
    HOME_DC,
    OTHER_DC,
    USER_ID,
    Call,
    Chat,
    Fault,
    Message,
    Planned,
    RpcFailed,
    StoredFile,
    StreamState,
    User,
    World,
    token_of,
)

__all__ = ["Fault", "RpcFailed", "StreamState", "TelegramStand"]
Result = TypeVar("Result")
_METHODS = ACCOUNTS.methods | LOGIN.methods | CHATS.methods | CALLS.methods | MESSAGES.methods | FILES.methods


class TelegramStand:
    """The server, its controls and its state; every method is for the test's thread.

    `world` may be read by the test at any time; what the methods below do not offer is changed through `do`. Keys,
    users, chats and calls outlive `stop` and `start`, and so do the ports.
    """

    def __init__(self) -> None:
        self.world = World()
        self._folder = tempfile.TemporaryDirectory(prefix="telegram-stand-")
        self.key_file = Path(self._folder.name) / "server.pem"
        self.key_file.write_text(self.world.rsa.pem)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="telegram stand", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    # --- where it is
    @property
    def port(self) -> int:
        """The port of the data center that clients begin with."""
        return self.world.ports[HOME_DC]

    @property
    def address(self) -> str:
        """What TELEGRAM_SERVER is set to; TELEGRAM_SERVER_KEY is `key_file`."""
        return f"{HOST}:{self.port}"

    def settings(self, session: str = "") -> dict[str, str]:
        """The lines of an .env that point a channel at this server."""
        return {
            "API_ID": str(API_ID),
            "API_HASH": API_HASH,
            "SESSION_STRING": session,
            "TELEGRAM_SERVER": self.address,
            "TELEGRAM_SERVER_KEY": str(self.key_file),
        }

    # --- sessions without a login
    def session_string(self, user_id: int = USER_ID, *, dc: int = HOME_DC) -> str:
        """A new session of the account in Telethon's format."""
        key = self.do(lambda: self.world.key_of(user_id, dc))
        packed = struct.pack(">B4sH256s", dc, ipaddress.ip_address(HOST).packed, self.world.ports[dc], key.key)
        session = "1" + base64.urlsafe_b64encode(packed).decode()
        never_shown_here(session)
        return session

    def kurigram_session_string(self, user_id: int = USER_ID, *, old: bool = False, dc: int = HOME_DC) -> str:
        """The same in Kurigram's format, or in Pyrogram's `old` one, as pyrogram.storage packs it."""
        key = self.do(lambda: self.world.key_of(user_id, dc))
        packed = (
            struct.pack(">BB256sQB", dc, 0, key.key, user_id, 0)
            if old
            else struct.pack(">BIB256sQB", dc, API_ID, 0, key.key, user_id, 0)
        )
        session = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        never_shown_here(session)
        return session

    # --- running
    def start(self) -> None:
        """Listen, on the same ports as before if there was a before."""
        self._run(self._start())

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        self._run(self._stop())

    def restart(self) -> None:
        """Gone and back at once."""
        self.stop()
        self.start()

    def do(self, change: Callable[[], Result]) -> Result:
        """Run `change` in the server's thread and return what it returns."""

        async def run() -> Result:
            return change()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=120)

    # --- faults
    def inject(self, method: str, *results: Planned) -> None:
        """Answer the next calls of `method` ("*": of any) with these, one each: (code, word) …, or None: as ever."""
        self.do(lambda: self.world.injected.setdefault(method.lower(), []).extend(results))

    def always(self, method: str, result: Planned, *, dc: int | None = None) -> None:
        """Answer every call of `method` ("*": of any) with this from now on, in each data center or in one."""
        self.do(lambda: self.world.always.update({(method.lower(), dc): result}))

    def relent(self) -> None:
        """Answer as ever again."""
        self.do(self.world.always.clear)
        self.do(self.world.injected.clear)

    def flood(self, method: str, seconds: int) -> None:
        """Answer the next call of `method` with FLOOD_WAIT."""
        self.inject(method, (420, f"FLOOD_WAIT_{seconds}"))

    def revoke_all(
        self,
        code: int = 401,
        word: str = "AUTH_KEY_UNREGISTERED",
        *,
        drop: bool = False,
        announce: bool = False,
        user_id: int | None = None,
    ) -> None:
        """Answer every call of every present session (of `user_id`, if given) with an ending.

        `drop` hangs up too; `announce` sends updatesTooLong first, which makes clients ask and so learn of it.
        """

        def revoke() -> None:
            for key in self.world.keys.values():
                if user_id in {None, key.user_id}:
                    key.revoked = (code, word)
            for one in list(self._connections):
                if announce and one.key is not None and one.session:
                    one.send(types.UpdatesTooLong(), reply=False)
                if drop:
                    one.close()

        self.do(revoke)

    def restore_all(self) -> None:
        """Let the present sessions count again."""

        def restore() -> None:
            for key in self.world.keys.values():
                key.revoked = None

        self.do(restore)

    def forget_keys(self, *, drop: bool = True) -> None:
        """Know no key any longer: the transport answers -404."""
        self.do(self.world.keys.clear)
        if drop:
            self.drop()

    def drop(self) -> None:
        """Hang up on everybody."""

        def hang_up() -> None:
            for one in list(self._connections):
                one.close()

        self.do(hang_up)

    def refuse(self, *, on: bool = True) -> None:
        """Accept connections and close them at once; those that stand are dropped."""
        self.do(lambda: setattr(self.world, "refuse", on))
        if on:
            self.drop()

    def silence(self, *, on: bool = True) -> None:
        """Read everything and answer nothing."""
        self.do(lambda: setattr(self.world, "silent", on))

    # --- what happens in chats
    def scan(self, url_or_token: str | bytes, user_id: int = USER_ID) -> None:
        """The phone of `user_id` scans a QR code (`tg://login?token=…`) and says yes; raises RpcFailed."""
        token = token_of(url_or_token) if isinstance(url_or_token, str) else url_or_token

        def accept() -> None:
            made = self.world.accept(token, user_id)
            announce_acceptance(self._connections, made.key, self.world.now())

        self.do(accept)

    def end_call(self, chat_id: int = CHANNEL_ID) -> None:
        """An administrator ends the call of a chat."""

        def end() -> None:
            chat = self.chat(chat_id)
            call, chat.call = chat.call, None
            assert call is not None, f"no call in chat {chat_id}"
            calls.announce(self._connections, chat, calls.ended_update(chat, call))

        self.do(end)

    def begin_call(self, call: Call, chat_id: int = CHANNEL_ID) -> None:
        """Somebody begins a call; one that is there is ended in the same moment."""

        def begin() -> None:
            chat = self.chat(chat_id)
            before, chat.call = chat.call, call
            chat.call_log.append(call)
            if before is not None:
                calls.announce(self._connections, chat, calls.ended_update(chat, before))

        self.do(begin)

    def kick(self, chat_id: int = CHANNEL_ID, user_id: int = USER_ID) -> None:
        """Somebody is removed from the call of a chat."""

        def remove() -> None:
            chat = self.chat(chat_id)
            assert chat.call is not None, f"no call in chat {chat_id}"
            for one in [one for one in chat.call.participants if one.owner == user_id]:
                chat.call.participants.remove(one)
                chat.call.version += 1
                calls.announce(self._connections, chat, calls.left_update(chat.call, one))

        self.do(remove)

    def migrate(self, chat_id: int, new_id: int, *, announce: bool = False) -> None:
        """A small group becomes the supergroup `new_id`, with its members, its live stream's key, and without its call."""

        def move() -> None:
            old = self.chat(chat_id)
            old.call, old.migrated_to = None, new_id
            self.world.chats[new_id] = Chat(
                id=new_id, title=old.title, access_hash=new_id + 7, roles=dict(old.roles), rtmp=old.rtmp
            )
            if announce:
                action = types.MessageActionChatMigrateTo(channel_id=new_id)
                moved = types.MessageService(
                    id=old.pts + 1, peer_id=tl_peer(old), date=int(self.world.now()), action=action
                )
                calls.announce(
                    self._connections, old, types.UpdateNewMessage(message=moved, pts=old.pts + 1, pts_count=1)
                )

        self.do(move)

    def push(self, chat_id: int, update: Any) -> None:
        """Push any TL update (of pyrogram.raw.types) to the members of a chat."""
        self.do(lambda: calls.announce(self._connections, self.chat(chat_id), update))

    def say(
        self,
        text: str,
        sender: int | None = USER_ID,
        *,
        chat_id: int = CHANNEL_ID,
        age_seconds: float = 0.0,
        reply_to: int | None = None,
    ) -> Message:
        """Somebody writes into a chat; without a sender the chat itself does."""
        message = Message(sender=sender, text=text, age_seconds=age_seconds, reply_to=reply_to)
        self.do(lambda: say(self._connections, self.world, self.chat(chat_id), message))
        return message

    def post(
        self,
        file: StoredFile,
        caption: str = "",
        *,
        chat_id: int = CHANNEL_ID,
        album: int | None = None,
        age_seconds: float = 0.0,
    ) -> Message:
        """The chat itself posts a file, which is announced to every member; `album`: the number of the album it belongs to."""
        message = Message(sender=None, text=caption, file=file, album=album, age_seconds=age_seconds)
        self.do(lambda: say(self._connections, self.world, self.chat(chat_id), message))
        return message

    def delete(self, message: Message, chat_id: int = CHANNEL_ID) -> None:
        """A message is deleted."""
        self.do(lambda: self.chat(chat_id).messages.pop(message.id))

    def expire_references(self) -> None:
        """Every file reference handed out so far is refused from now on."""

        def expire() -> None:
            for chat in self.world.chats.values():
                for message in chat.messages.values():
                    if message.file is not None:
                        message.file.reference = os.urandom(8)

        self.do(expire)

    def answers(self, message: Message, chat_id: int = CHANNEL_ID) -> list[str]:
        """What was written in reply to a message, oldest first."""
        return [one.text for one in list(self.chat(chat_id).messages.values()) if one.reply_to == message.id]

    # --- state
    def chat(self, chat_id: int = CHANNEL_ID) -> Chat:
        """A chat by its bare id; `chat(…).call` is its call."""
        return self.world.chats[chat_id]

    def user(self, user_id: int = USER_ID) -> User:
        """An account."""
        return self.world.users[user_id]

    def asked(self, method: str) -> list[Any]:
        """Every request of a method so far, oldest first (objects of pyrogram.raw.functions)."""
        return [request for name, request in list(self.world.requests) if name.lower() == method.lower()]

    @property
    def connections(self) -> int:
        """How many stand now."""
        return len(self._connections)

    @property
    def connections_made(self) -> int:
        """How many were made so far."""
        return self.world.connections_made

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    async def _start(self) -> None:
        for dc in (HOME_DC, OTHER_DC):
            server = await asyncio.start_server(self._accept(dc), HOST, self.world.ports.get(dc, 0), reuse_address=True)
            self.world.ports[dc] = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    def _accept(self, dc: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None, "a server's callback runs in a task"
            self._tasks.add(task)
            try:
                await Connection(self.world, dc, _METHODS, self._connections, reader, writer).serve()
            finally:
                self._tasks.discard(task)

        return serve

    async def _stop(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for one in list(self._connections):
            one.close()
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=5)
