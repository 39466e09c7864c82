"""Makes what logs in to Telegram: the session keeper and the login of the web page."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.status import UNKNOWN, TelegramFacts
from tg_video_streamer.envfile.write import update_env
from tg_video_streamer.errors import SessionEnded
from tg_video_streamer.events import Event
from tg_video_streamer.file_watch import FileWatch
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.settings.settings import LoadedSettings, Settings, load_settings, secret_values
from tg_video_streamer.settings.targets import telegram_credentials
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.client.waits import FloodWaits
from tg_video_streamer.telegram.session.keeper import SessionKeeper
from tg_video_streamer.telegram.session.renewal import Renewal, SessionSettings
from tg_video_streamer.telegram.session.renewal_command import renewal_command
from tg_video_streamer.telegram.session.state import SessionState
from tg_video_streamer.telegram.session.web_login import WebLogin

if TYPE_CHECKING:
    from tg_video_streamer.telegram.client.account import Account

_CONNECTIONS_A_MINUTE = 20


class _Connector:
    """Connects accounts, all within one limit of connections."""

    def __init__(self, clock: Clock, pauses: Backoff, store: TelegramState) -> None:
        """`store` has the waits of an earlier process."""
        self._clock = clock
        self._store = store
        self._limiter = ConnectionLimiter(clock, attempts_per_minute=_CONNECTIONS_A_MINUTE, pauses=pauses)
        self._waits: dict[str, FloodWaits] = {}
        """By session: a wait that Telegram asked for outlives the connection."""

    async def connect(self, credentials: Credentials, ended: Callable[[SessionEnded], None]) -> Account:
        """See renewal.Connect. Telethon is loaded in a thread, since that takes longer than a frame."""
        module = await asyncio.to_thread(import_module, "tg_video_streamer.telegram.client.account")
        mark = hashlib.sha256(credentials.session.encode()).hexdigest()
        waits = self._waits.get(mark)
        if waits is None:
            saved, save = self._store.waits(mark), partial(self._store.put_waits, mark)
            waits = self._waits[mark] = FloodWaits(self._clock, saved=saved, save=save)
        account: Account = module.Account(
            credentials, clock=self._clock, limiter=self._limiter, ended=ended, waits=waits
        )
        try:
            await account.connect()
        except BaseException:
            await account.close()
            raise
        return account


def _read(loaded: LoadedSettings, file: FileWatch) -> SessionSettings:
    """What the settings say now. Raises ConfigError."""
    file.mark_read_here()
    settings = _settings_now(loaded)
    return SessionSettings(
        credentials=telegram_credentials(settings), spare=settings.session_string_spare.get_secret_value()
    )


def _writer(loaded: LoadedSettings) -> Callable[[Mapping[str, str | None]], None] | None:
    """What writes to the settings file, for a thread; None where there is no file."""
    return partial(update_env, loaded.env_file) if loaded.env_file is not None else None


def session_keeper(
    loaded: LoadedSettings,
    store: TelegramState,
    *,
    notify: Callable[..., None],
    publish: Callable[[Event], None],
    expired: Callable[[], None],
    clock: Clock,
    connection_pauses: Backoff,
    cycle_seconds: float,
) -> SessionKeeper:
    """The owner of the account, not started; `notify` is `Notifier.notify`."""
    file = FileWatch(loaded.env_file)
    renewal = Renewal(
        read=partial(_read, loaded, file),
        write=_writer(loaded),
        connect=_Connector(clock, connection_pauses, store).connect,
        store=store,
        clock=clock,
        notify=notify,
    )
    return SessionKeeper(
        renewal=renewal,
        changed=file.changed,
        clock=clock,
        publish=publish,
        command=renewal_command(loaded.env_file),
        cycle_seconds=cycle_seconds,
        expired=expired,
    )


def web_login(loaded: LoadedSettings, store: TelegramState, clock: Clock) -> WebLogin:
    """The login of a person at a page."""
    return WebLogin(
        credentials=lambda: telegram_credentials(_settings_now(loaded)),
        write=_writer(loaded),
        store=store,
        clock=clock,
    )


def session_facts(keeper: SessionKeeper) -> TelegramFacts:
    """What the keeper knows, for the status: a session that has not been seen to work for long is not called valid."""
    seen = keeper.sighting
    unknown = keeper.state is SessionState.VALID and (seen is None or seen.stale)
    return TelegramFacts(
        session_state=UNKNOWN if unknown else str(keeper.state),
        degraded=keeper.degraded,
        degraded_reason=keeper.reason,
        degraded_seconds=keeper.degraded_seconds,
        session_renewals=dict(keeper.renewals),
        session_sighting=seen,
    )


def _settings_now(loaded: LoadedSettings) -> Settings:
    """The settings as their file has them now; without a file, as they were at the start. Raises ConfigError."""
    if loaded.env_file is None:
        return loaded.settings
    settings = load_settings(loaded.env_file, os.environ).settings
    remember_secret(*secret_values(settings))
    return settings
