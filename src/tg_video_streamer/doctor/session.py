"""Checks the Telegram session: whether it works, and which account it belongs to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.doctor.check import plays_telegram
from tg_video_streamer.doctor.finding import Finding, Verdict, failure, problem, well
from tg_video_streamer.errors import ConfigError, SessionError, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.outputs.target import OutputKind
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.settings.targets import output_targets, telegram_credentials
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.session.renewal_command import renewal_command
from tg_video_streamer.telegram.session.show import fetch_account

SESSION_SECONDS = 10.0
"""From the first byte to the account that it belongs to."""
_ABOUT = "session"
_CHECK_PROXY = "doctor.check_proxy"


async def check_session(settings: Settings) -> list[Finding]:
    """Connects with SESSION_STRING, from the host that uses it anyway, and leaves again."""
    try:
        needed = any(target.kind is OutputKind.TELEGRAM for target in output_targets(settings))
    except ConfigError:
        needed = False  # the check of the outputs reports what is wrong with OUTPUTS
    playlist = await asyncio.to_thread(load, settings.playlist, allowed_folders(settings.playlist, settings.media_dirs))
    needed = needed or plays_telegram(playlist)
    session = settings.session_string.get_secret_value()
    if not session:
        missing = problem(_ABOUT, "doctor.no_session", "run_command", command=renewal_command(None))
        return [missing if needed else well(_ABOUT, "doctor.no_session_needed")]
    found = await _found(telegram_credentials(settings))
    if needed or found.remedy is None:
        return [found]
    return [replace(found, verdict=Verdict.WARNING, text=Message.of("doctor.session_not_needed", what=found.text))]


async def _found(credentials: Credentials) -> Finding:
    clock = SystemClock()
    account = Account(credentials, clock=clock, limiter=ConnectionLimiter(clock), ended=lambda _ending: None)
    try:
        async with asyncio.timeout(SESSION_SECONDS):
            await account.connect(timeout_seconds=SESSION_SECONDS)
            seen = await fetch_account(account)
    except TimeoutError:
        return problem(_ABOUT, "doctor.telegram_silent", _CHECK_PROXY, seconds=SESSION_SECONDS)
    except (SessionError, TelegramRefused) as error:
        found = failure(_ABOUT, error)
        return found if found.remedy is not None else replace(found, remedy=Message.of(_CHECK_PROXY))
    except ConfigError as error:
        return problem(_ABOUT, Message.raw("; ".join(error.problems)))
    finally:
        await account.close()
    name = printable(seen.name)
    return well(
        _ABOUT, "doctor.session", name=name, phone=seen.phone or Message.of("unknown"), data_center=seen.data_center
    )
