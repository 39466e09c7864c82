"""Makes the parts of the output `telegram`: session, renewal, output, watch; and checks the settings that they need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tg_video_streamer.app.keep_running import Anew, Keep
from tg_video_streamer.app.session import session_facts, session_keeper, web_login
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.status import TelegramFacts
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.events import EventBus
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.outputs.target import OutputKind, OutputTarget
from tg_video_streamer.outputs.telegram.output import TelegramOutput
from tg_video_streamer.outputs.telegram.transport_plan import PATIENCE_SECONDS, TransportPlan
from tg_video_streamer.outputs.telegram.watch import StreamWatch, WatchPace
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.settings.settings import LoadedSettings, Settings
from tg_video_streamer.settings.targets import output_targets
from tg_video_streamer.telegram.chat.own_chat import OwnChat
from tg_video_streamer.telegram.chat.reference import parse_chat_reference
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.livestream.title import TitlePacer
from tg_video_streamer.telegram.session.keeper import CYCLE_SECONDS, SessionKeeper
from tg_video_streamer.telegram.session.web_login import WebLogin

CONNECTION_PAUSES = Backoff(first=0.5, longest=5.0)
"""Short, so that a new session string and the end of an outage take effect soon."""


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
class TelegramContext:
    """The parts of the service that the output works with."""

    fanout: Fanout
    house: HouseFormat
    events: EventBus
    notifier: Notifier
    clock: Clock
    expired: Callable[[], None]
    """Called after each cycle that found the session to have ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramService:
    """The output, its watch, and the session."""

    store: TelegramState
    chat: OwnChat
    output: TelegramOutput
    watches: Anew[StreamWatch]
    keeper: SessionKeeper
    web_login: WebLogin
    name: str

    @property
    def watch(self) -> StreamWatch:
        """The watch that runs now."""
        return self.watches.current

    async def run(self, keep: Keep) -> None:
        """Keep session, web login and watch running until cancelled; a failure of one leaves the others alone."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep("telegram session", lambda: self.keeper))
            tasks.create_task(keep("telegram login", lambda: self.web_login))
            try:
                await keep("telegram watch", self.watches)
            finally:
                # Before the group cancels the keeper, which closes the account.
                await self.output.leave()

    def facts(self) -> TelegramFacts:
        """The facts for the status."""
        return replace(
            session_facts(self.keeper),
            viewers=self.watch.viewers,
            deliveries={self.name: self.watch.delivery},
            sightings={self.name: self.watch.sighting},
        )


def make_telegram(
    target: OutputTarget,
    loaded: LoadedSettings,
    around: TelegramContext,
    *,
    cycle_seconds: float = CYCLE_SECONDS,
    pace: WatchPace | None = None,
    connection_pauses: Backoff = CONNECTION_PAUSES,
    patience_seconds: float = PATIENCE_SECONDS,
) -> TelegramService:
    """The parts, not started; for the event loop's thread. Raises ConfigError for a bad CHAT_ID."""
    settings, clock, events = loaded.settings, around.clock, around.events
    pace = pace or WatchPace()
    store = TelegramState(settings.state_dir)
    keeper = session_keeper(
        loaded,
        store,
        notify=around.notifier.notify,
        publish=events.publish,
        expired=around.expired,
        clock=clock,
        connection_pauses=connection_pauses,
        cycle_seconds=cycle_seconds,
    )
    reference = parse_chat_reference(settings.chat_id)
    chat = OwnChat(reference, store, moved=partial(around.notifier.notify, topic="chat moved"))
    output = TelegramOutput(
        name=target.name,
        chat=chat,
        reference=reference,
        plan=TransportPlan(settings.telegram_transport, patience_seconds=patience_seconds),
        session=keeper,
        store=store,
        titles=TitlePacer(pause_seconds=pace.title_seconds),
        house=around.house,
        fanout=around.fanout,
        publish=events.publish,
        clock=clock,
        as_channel=settings.call_join_as == "channel",
    )
    events.subscribe(output.on_event)
    return TelegramService(
        store=store,
        chat=chat,
        output=output,
        watches=Anew(partial(StreamWatch, output, name=target.name, clock=clock, publish=events.publish, pace=pace)),
        keeper=keeper,
        web_login=web_login(loaded, store, clock),
        name=target.name,
    )
