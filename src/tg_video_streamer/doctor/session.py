"""Checks the Telegram session: whether it works, and which account it belongs to."""

from __future__ import annotations

import asyncio

from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.status_text import printable
from tg_video_streamer.doctor.finding import Finding, doubt, problem, well
from tg_video_streamer.errors import ConfigError, SessionError, TelegramRefused
from tg_video_streamer.outputs.target import OutputKind
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.settings.targets import output_targets, telegram_credentials
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.session.renewal_command import renewal_command
from tg_video_streamer.telegram.session.show import look_at

SESSION_SECONDS = 10.0
"""From the first byte to the answer whose it is."""
_ABOUT = "session"


async def check_session(settings: Settings) -> list[Finding]:
    """Connects with SESSION_STRING, from the host that uses it anyway, and leaves again."""
    try:
        wanted = any(target.kind is OutputKind.TELEGRAM for target in output_targets(settings))
    except ConfigError:
        wanted = False  # what is wrong with OUTPUTS is told there
    session = settings.session_string.get_secret_value()
    if not session:
        remedy = f"run: {renewal_command(None)}"
        missing = problem(_ABOUT, "SESSION_STRING is empty, and the output telegram needs it", remedy)
        return [missing if wanted else well(_ABOUT, "none is set, and no output needs one")]
    found = await _found(telegram_credentials(settings))
    return [found if wanted or not found.remedy else doubt(_ABOUT, f"{found.text}; no output needs it", found.remedy)]


async def _found(credentials: Credentials) -> Finding:
    clock = SystemClock()
    account = Account(credentials, clock=clock, limiter=ConnectionLimiter(clock), ended=lambda _ending: None)
    try:
        async with asyncio.timeout(SESSION_SECONDS):
            await account.connect(timeout_seconds=SESSION_SECONDS)
            seen = await look_at(account)
    except TimeoutError:
        return problem(
            _ABOUT, f"Telegram does not answer within {SESSION_SECONDS:g} s", "check network and TELEGRAM_PROXY"
        )
    except (SessionError, TelegramRefused) as error:
        return problem(_ABOUT, error.what, error.remedy or "check network and TELEGRAM_PROXY")
    except ConfigError as error:
        return problem(_ABOUT, "; ".join(error.problems))
    finally:
        await account.close()
    return well(_ABOUT, f"works: {printable(seen.name)}, phone {seen.phone}, data center {seen.data_center}")
