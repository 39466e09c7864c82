"""Reads the settings again while the channel is on air: applies what can change, and names what needs a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import structlog

from tg_video_streamer.envfile.read import read_env_file
from tg_video_streamer.errors import ConfigError, ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.logs import configure_logs
from tg_video_streamer.settings.settings import KEYS, Check, LoadedSettings, Settings, load_settings, secret_values

log = structlog.get_logger(__name__)

CHANGEABLE = frozenset(
    {
        "MEDIA_DIRS",
        "BUFFER_SECONDS",
        "YTDLP_PROXY",
        "YTDLP_COOKIES",
        "YTDLP_ARGS",
        "YTDLP_PLUGINS",
        "YTDLP_POT_URL",
        "LOG_FORMAT",
    }
    | {"WEB_TOKEN", "WEB_VIEWER_TOKEN"}
    | {"AUDIO_LANGUAGE", "SUBTITLES"}
    | {"LOGO", "CLOCK", "NOW_PLAYING"}
)
"""Applied at once, or from the next item on."""
ELSEWHERE = frozenset({"API_ID", "API_HASH", "SESSION_STRING", "SESSION_STRING_SPARE", "TELEGRAM_PROXY"})
"""Read again by the keeper of the session itself."""


class SettingsReload:
    """The settings in force, and how newer ones replace them."""

    def __init__(self, loaded: LoadedSettings, *, checks: tuple[Check, ...] = ()) -> None:
        self._env_file = loaded.env_file
        self._in_force = loaded.settings
        self._subscribers: list[Callable[[Settings], None]] = []
        self._checks = checks
        self._secrets = secret_values(loaded.settings)
        named = read_env_file(loaded.env_file).values if loaded.env_file is not None else {}
        # systemd has put what the file named at the start into the environment too: a line that was removed since must not
        # come back from there.
        self._environment = {key: value for key, value in os.environ.items() if key not in named}

    @property
    def settings(self) -> Settings:
        """Those in force: as at the start but for what is CHANGEABLE."""
        return self._in_force

    def subscribe(self, apply: Callable[[Settings], None]) -> None:
        """Call `apply` with newer settings once they are in force."""
        self._subscribers.append(apply)

    def reload(self) -> Message | None:
        """Read them, and return what has changed, for people. Raises ControlError where they are wrong; the old ones stay."""
        if self._env_file is None:
            return None
        fresh = self._read(self._environment)
        changed = {key for key in KEYS if getattr(fresh, key.lower()) != getattr(self._in_force, key.lower())}
        now, later = sorted(changed & CHANGEABLE), sorted(changed - CHANGEABLE - ELSEWHERE)
        if now:
            self._in_force = self._in_force.model_copy(update={key.lower(): getattr(fresh, key.lower()) for key in now})
            self._secrets |= secret_values(self._in_force)
            configure_logs(self._in_force.log_format, secrets=self._secrets)
            for apply in self._subscribers:
                apply(self._in_force)
        log.info("settings read again", in_force=now, after_restart=later)
        if now and later:
            return Message.of("answer.settings_both", now=", ".join(now), restart=", ".join(later))
        if now:
            return Message.of("answer.settings_now", now=", ".join(now))
        return Message.of("answer.settings_restart", restart=", ".join(later)) if later else None

    def _read(self, environment: Mapping[str, str]) -> Settings:
        try:
            return load_settings(self._env_file, environment, checks=self._checks).settings
        except ConfigError as error:
            raise ControlError.of("refused.settings", detail="; ".join(error.problems)) from error
