"""What the settings mean to those who use them: the targets of OUTPUTS, and the credentials of the Telegram account."""

from __future__ import annotations

from tg_video_streamer.outputs.target import OutputTarget, parse_outputs
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.telegram.client.credentials import Credentials


def output_targets(settings: Settings) -> tuple[OutputTarget, ...]:
    """What OUTPUTS says; empty, it means `telegram` where CHAT_ID is set. Raises ConfigError."""
    text = settings.outputs.get_secret_value()
    return parse_outputs(text if text.strip() or not settings.chat_id else "telegram")


def telegram_credentials(settings: Settings) -> Credentials:
    """What a client needs to log in with SESSION_STRING."""
    return Credentials(
        api_id=settings.api_id or 0,
        api_hash=settings.api_hash.get_secret_value(),
        session=settings.session_string.get_secret_value(),
        proxy=settings.telegram_proxy.get_secret_value(),
        server=settings.telegram_server,
        server_key=settings.telegram_server_key,
    )
