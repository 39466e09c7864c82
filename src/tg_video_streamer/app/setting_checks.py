"""The checks of settings that need more than one value or another package; `load_settings` reports all problems together."""

from __future__ import annotations

from importlib.util import find_spec

from tg_video_streamer.app.telegram import check_telegram
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.monitoring.alerts.send import notify_problems
from tg_video_streamer.monitoring.heartbeat import heartbeat_problems
from tg_video_streamer.monitoring.webhooks.sender import webhook_problems
from tg_video_streamer.outputs.target import parse_outputs
from tg_video_streamer.resolve.arguments import parse_ytdlp_args
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.web.auth.tokens import exposure_problems


def check_fleet(settings: Settings) -> list[str]:
    """What is wrong with the settings of a fleet, one line each."""
    if settings.fleet_store and not settings.fleet:
        return ["FLEET_STORE: is for a fleet; set FLEET too"]
    if not settings.fleet:
        return []
    problems = [] if settings.channel else ["CHANNEL: a channel of a fleet needs a name"]
    if find_spec("nats") is None:
        problems.append("FLEET: needs more packages; install tg-video-streamer[fleet]")
    return problems


def check_outputs(settings: Settings) -> list[str]:
    """What is wrong with OUTPUTS, one line each."""
    try:
        parse_outputs(settings.outputs.get_secret_value())
    except ConfigError as error:
        return error.problems
    return []


def check_ytdlp_args(settings: Settings) -> list[str]:
    """What is wrong with YTDLP_ARGS, one line each."""
    try:
        parse_ytdlp_args(settings.ytdlp_args.get_secret_value())
    except ConfigError as error:
        return error.problems
    return []


def check_notifications(settings: Settings) -> list[str]:
    """What is wrong with NOTIFY_URLS, WEBHOOKS and HEARTBEAT_URL, one line each."""
    return [
        *notify_problems(settings.notify_urls.get_secret_value()),
        *webhook_problems(settings.webhooks.get_secret_value(), settings.webhook_secret.get_secret_value()),
        *heartbeat_problems(settings.heartbeat_url.get_secret_value()),
    ]


def check_web(settings: Settings) -> list[str]:
    """What is wrong with WEB_HOST and the tokens, one line each."""
    return exposure_problems(
        settings.web_host,
        token=settings.web_token.get_secret_value(),
        viewer_token=settings.web_viewer_token.get_secret_value(),
        behind_proxy=settings.web_behind_proxy,
    )


CHECKS = (check_outputs, check_telegram, check_ytdlp_args, check_notifications, check_web, check_fleet)
"""For `load_settings`."""
