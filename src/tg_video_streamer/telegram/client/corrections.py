"""Limits how often Telethon resends a message that the server does not take (clock, sequence, salt): it would not stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from telethon import TelegramClient
from telethon.tl.types import BadMsgNotification, BadServerSalt

from tg_video_streamer.telegram.client.boundary import message_refused

MOST = 2
"""Corrections of one message: the clock is put right, then the salt."""

_Handler = Callable[[Any], Awaitable[None]]


def limit_corrections(client: TelegramClient) -> None:
    """Let a request of a new client fail with MessageRefused where corrections do not help."""
    sender = client._sender  # noqa: SLF001 - Telethon has no other place where it says that it resends
    pending, acknowledgments = sender._pending_state, sender._last_acks  # noqa: SLF001 - the same
    corrected: WeakKeyDictionary[asyncio.Future[Any], int] = WeakKeyDictionary()

    def limited(correct: _Handler) -> _Handler:
        async def handler(message: Any) -> None:
            for state in sender._pop_states(message.obj.bad_msg_id):  # noqa: SLF001 - the same
                corrected[state.future] = corrected.get(state.future, 0) + 1
                if corrected[state.future] <= MOST:
                    if state not in acknowledgments:
                        pending[state.msg_id] = state
                elif state in acknowledgments:
                    acknowledgments.remove(state)
                elif not state.future.done():
                    state.future.set_exception(message_refused(message.obj.error_code, corrected=True))
            await correct(message)

        return handler

    for kind in (BadMsgNotification, BadServerSalt):
        sender._handlers[kind.CONSTRUCTOR_ID] = limited(sender._handlers[kind.CONSTRUCTOR_ID])  # noqa: SLF001 - the same
