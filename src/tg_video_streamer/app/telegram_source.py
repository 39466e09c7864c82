"""Makes what plays media out of Telegram: with the account of the output, or with one of its own that logs in on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.session import session_facts, session_keeper
from tg_video_streamer.app.telegram import CONNECTION_PAUSES, TelegramService
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.status import TelegramFacts
from tg_video_streamer.events import Event
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.settings.settings import LoadedSettings
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.media.source import TelegramSource
from tg_video_streamer.telegram.session.keeper import CYCLE_SECONDS, SessionChange, SessionKeeper


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramSourceService:
    """The source, and the session that it uses."""

    source: TelegramSource
    keeper: SessionKeeper
    own: bool
    """The session is of the source alone: OUTPUTS has no `telegram`."""

    def on_login(self, act: Callable[[], None]) -> None:
        """Call `act` after each later login."""

        async def on_session(change: SessionChange) -> None:
            if change.account is not None:
                act()

        self.keeper.subscribe(on_session)

    def facts(self) -> TelegramFacts:
        """The facts for the status of a channel without a Telegram output: none until there is a Telegram item."""
        if not self.source.wanted.is_set():
            return TelegramFacts()
        return session_facts(self.keeper)

    async def run(self) -> None:
        """Hold a session of its own from the first Telegram item on, until cancelled."""
        await self.source.wanted.wait()
        await self.keeper.run()


def make_telegram_source(
    context: BuildContext, notifier: Notifier, telegram: TelegramService | None
) -> TelegramSourceService:
    """The parts, not started; for the event loop's thread. They cost nothing until there is a Telegram item."""
    if telegram is not None:
        source = TelegramSource(telegram.keeper, telegram.store, clock=context.clock)
        return TelegramSourceService(source=source, keeper=telegram.keeper, own=False)
    return own_telegram_source(
        context.loaded,
        context.settings.state_dir,
        clock=context.clock,
        publish=context.events.publish,
        notify=notifier.notify,
    )


def own_telegram_source(
    loaded: LoadedSettings,
    folder: Path,
    *,
    clock: Clock,
    publish: Callable[[Event], None],
    notify: Callable[..., None],
) -> TelegramSourceService:
    """A source with a session of its own, not started; what it learns of chats is kept in `folder`."""
    store = TelegramState(folder)
    keeper = session_keeper(
        loaded,
        store,
        notify=notify,
        publish=publish,
        expired=lambda: None,
        clock=clock,
        connection_pauses=CONNECTION_PAUSES,
        cycle_seconds=CYCLE_SECONDS,
    )
    source = TelegramSource(keeper, store, clock=clock)
    return TelegramSourceService(source=source, keeper=keeper, own=True)
