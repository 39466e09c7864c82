"""A video chat with everything around it on the loopback: Telegram, its media server, a program, and our output."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from typing import Any, Self

import psutil
from telethon.tl import types

from stands.group_call_sfu import SfuProcess
from stands.program import Clip, Program
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import API_HASH, API_ID, CHANNEL_ID, Call
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.events import OutputChanged
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.outputs.telegram.call_adapter import WORKER, CallAdapter
from tg_video_streamer.telegram.call.call import GroupCall
from tg_video_streamer.telegram.client.account import Account, Credentials
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter


class VideoChat:
    """A context with a loopback Telegram, its media server, a program, and the output that takes part."""

    def __init__(self, clip: Clip, *, chat_id: int = CHANNEL_ID, as_channel: bool = False) -> None:
        self.clip = clip
        self.chat_id = chat_id
        self.as_channel = as_channel
        self.events: list[OutputChanged] = []
        self.adapters: list[CallAdapter] = []
        self.loop = asyncio.new_event_loop()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        stack = self._stack
        self.stand = stack.enter_context(TelegramStand())
        self.sfu = stack.enter_context(SfuProcess())
        self.stand.world.answer_join = self._answer
        self.program = stack.enter_context(Program(self.clip))
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(lambda: self.loop.call_soon_threadsafe(self.loop.stop))
        credentials = Credentials(
            api_id=API_ID,
            api_hash=API_HASH,
            session=self.stand.session_string(),
            server=self.stand.address,
            server_key=self.stand.key_file,
        )
        clock = SystemClock()
        self.account = Account(credentials, clock=clock, limiter=ConnectionLimiter(clock), ended=lambda _ending: None)
        self.connecting_at = time.monotonic()
        self.run(self.account.connect())
        stack.callback(lambda: self.run(self.account.close()))
        self.call = GroupCall(
            account=lambda: self.account, peer=self._peer(), as_channel=self.as_channel, clock=clock, title="Test"
        )
        self.handler = self._handler(clock)
        stack.callback(self.handler.stop)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _answer(self, payload: str) -> str:
        return self.sfu.answer(payload)

    def run(self, work: Any) -> Any:
        """Run a coroutine in the service's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def _peer(self) -> Any:
        return types.InputPeerChannel(self.chat_id, self.stand.chat(self.chat_id).access_hash)

    def _handler(self, clock: SystemClock) -> OutputHandler:
        def make(cancelled: threading.Event) -> CallAdapter:
            adapter = CallAdapter(
                self.call,
                self.program.fanout.headers,
                house=self.clip.house,
                loop=self.loop,
                clock=clock,
                cancelled=cancelled,
                hang_seconds=2.0,
                check_seconds=0.5,
            )
            self.adapters.append(adapter)
            return adapter

        return OutputHandler(
            name="telegram",
            kind="call",
            make_adapter=make,
            fanout=self.program.fanout,
            publish=self.events.append,
            clock=clock,
        )

    def on_air(self, attempts: int = 1) -> None:
        """Until the output is on air in that attempt or a later one, and media arrives at the far end."""
        wait_until(
            lambda: len(self.adapters) >= attempts and self.handler.status().state is OutputState.ON_AIR,
            what=f"on air again: {self.handler.status()}",
        )
        before = self.sfu.packets()
        wait_until(lambda: self.sfu.packets() > before + 20, what="media at the far end")

    def participants(self) -> list[Any]:
        """Who is in the call."""
        call: Call | None = self.stand.chat(self.chat_id).call
        return list(call.participants) if call is not None else []

    def media_server_lost_us(self) -> None:
        """What Telegram does some seconds after our media stopped or its server died: it drops us without an update."""
        call = self.stand.chat(self.chat_id).call
        assert call is not None
        self.stand.do(call.participants.clear)

    def worker(self) -> int:
        """The process id of the worker now."""
        (worker,) = (child.pid for child in psutil.Process().children() if WORKER in child.cmdline())
        return worker
