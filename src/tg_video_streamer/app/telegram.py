"""Makes the parts of the output `telegram`: session, renewal, output, watch; and checks the settings that they need."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from tg_video_streamer.app.session import (
    Accounts,
    session_desk,
    session_renewal,
    session_users,
)
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.status import TelegramFacts
from tg_video_streamer.errors import ConfigError, SessionUnreachable
from tg_video_streamer.events import EventBus
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.file_watch import FileWatch
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.outputs.adapter import Adapter
from tg_video_streamer.outputs.rtmp import RtmpAdapter
from tg_video_streamer.outputs.target import OutputKind, OutputTarget
from tg_video_streamer.outputs.telegram.telegram import TelegramOutput
from tg_video_streamer.outputs.telegram.transport_plan import PATIENCE_SECONDS, TransportPlan
from tg_video_streamer.outputs.telegram.watch import StreamWatch, WatchPace
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.rtmp.address import RtmpAddress
from tg_video_streamer.settings.settings import LoadedSettings, Settings
from tg_video_streamer.settings.targets import output_targets
from tg_video_streamer.telegram.chat.reference import Chat, parse_chat_reference
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.session.keeper import CYCLE_SECONDS, SessionKeeper
from tg_video_streamer.telegram.session.renewal_command import renewal_command
from tg_video_streamer.telegram.session.web_login import WebLogin

if TYPE_CHECKING:
    from tg_video_streamer.outputs.telegram.call import CallAdapter
    from tg_video_streamer.telegram.call.call import GroupCall
    from tg_video_streamer.telegram.client.account import Account

CONNECTION_PAUSES = Backoff(first=0.5, longest=5.0)
"""Short, since a new string in the settings is to be tried at once, and the end of an outage to be noticed soon."""


def check_telegram(settings: Settings) -> list[str]:
    """What is wrong with the settings of the output `telegram`, one line each."""
    try:
        wanted = any(target.kind is OutputKind.TELEGRAM for target in output_targets(settings))
    except ConfigError:
        # OUTPUTS has a check of its own.
        return []
    needed = {
        "CHAT_ID": settings.chat_id,
        "API_ID": settings.api_id,
        "API_HASH": settings.api_hash.get_secret_value(),
    }
    return [f"{key}: the output telegram needs it" for key, value in needed.items() if wanted and not value]


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramSurroundings:
    """What of the service the parts work with."""

    fanout: Fanout
    house: HouseFormat
    events: EventBus
    notifier: Notifier
    clock: Clock
    expired: Callable[[], None]
    """Called after each cycle that found the session to have ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramParts:
    """The output, who looks after it, and who keeps its session."""

    accounts: Accounts
    store: TelegramState
    output: TelegramOutput
    watch: StreamWatch
    keeper: SessionKeeper
    desk: WebLogin
    name: str

    async def run(self) -> None:
        """All that runs in the event loop, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keeper.run(), name="telegram session")
            tasks.create_task(self.desk.run(), name="session desk")
            try:
                await self.watch.run()
            finally:
                # While there is an account to do it with.
                await self.output.leave()

    def facts(self) -> TelegramFacts:
        """What the status tells of it."""
        return TelegramFacts(
            session_state=str(self.keeper.state),
            degraded=self.keeper.degraded,
            degraded_reason=self.keeper.reason,
            degraded_seconds=self.keeper.degraded_seconds,
            session_renewals=dict(self.keeper.renewals),
            viewers=self.watch.viewers,
            deliveries={self.name: self.watch.delivery},
        )


def telegram_parts(
    target: OutputTarget,
    loaded: LoadedSettings,
    around: TelegramSurroundings,
    *,
    cycle_seconds: float = CYCLE_SECONDS,
    pace: WatchPace | None = None,
    connection_pauses: Backoff = CONNECTION_PAUSES,
    patience_seconds: float = PATIENCE_SECONDS,
) -> TelegramParts:
    """The parts, not started; to be called in the event loop's thread. Raises ConfigError for a bad CHAT_ID."""
    settings, clock, events = loaded.settings, around.clock, around.events
    store = TelegramState(settings.state_dir)
    output = TelegramOutput(
        name=target.name,
        reference=parse_chat_reference(settings.chat_id),
        plan=TransportPlan(settings.telegram_transport, call_there=True, patience_seconds=patience_seconds),
        store=store,
        make_rtmp=partial(_rtmp_adapter, around),
        make_call=_CallMaker(around, lambda: output.account, as_channel=settings.call_join_as == "channel").make,
        fanout=around.fanout,
        publish=events.publish,
        clock=clock,
        title=lambda: watch.title,
    )
    watch = StreamWatch(output, name=target.name, clock=clock, publish=events.publish, pace=pace)
    events.subscribe(watch.on_event)
    file = FileWatch(loaded.env_file)
    renewal = session_renewal(loaded, file, store, clock, tell=around.notifier.notify, pauses=connection_pauses)
    accounts = Accounts()
    keeper = SessionKeeper(
        renewal=renewal,
        users=session_users(output, accounts),
        changed=file.changed,
        clock=clock,
        publish=events.publish,
        command=renewal_command(loaded.env_file),
        cycle_seconds=cycle_seconds,
        expired=around.expired,
    )
    return TelegramParts(
        accounts=accounts,
        store=store,
        output=output,
        watch=watch,
        keeper=keeper,
        desk=session_desk(loaded, renewal, clock),
        name=target.name,
    )


def _rtmp_adapter(around: TelegramSurroundings, address: RtmpAddress, cancelled: threading.Event) -> Adapter:
    return RtmpAdapter(
        address,
        around.fanout.headers,
        width=around.house.width,
        height=around.house.height,
        clock=around.clock,
        cancelled=cancelled,
    )


class _CallMaker:
    """Makes attempts at the video chat: one call object a chat, since it counts how often was joined."""

    def __init__(
        self, around: TelegramSurroundings, account: Callable[[], Account | None], *, as_channel: bool
    ) -> None:
        self._around = around
        self._account = account
        self._as_channel = as_channel
        self._calls: dict[Chat, GroupCall] = {}
        self._loop = asyncio.get_running_loop()

    def make(self, chat: Chat, cancelled: threading.Event) -> CallAdapter:
        """An attempt, in the event loop's thread; Telethon is loaded by then."""
        call_output = import_module("tg_video_streamer.outputs.telegram.call")
        call = import_module("tg_video_streamer.telegram.call.call")
        lookup = import_module("tg_video_streamer.telegram.chat.lookup")
        around = self._around
        if chat not in self._calls:
            self._calls[chat] = call.GroupCall(
                account=self._present,
                peer=lookup.input_peer(chat),
                clock=around.clock,
                as_channel=self._as_channel,
            )
        adapter: CallAdapter = call_output.CallAdapter(
            self._calls[chat],
            around.fanout.headers,
            width=around.house.width,
            height=around.house.height,
            loop=self._loop,
            clock=around.clock,
            cancelled=cancelled,
        )
        return adapter

    def _present(self) -> Account:
        account = self._account()
        if account is None:
            raise SessionUnreachable("there is no Telegram session now")
        return account
