"""What every part of the service is made from."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.clock import Clock
from tg_video_streamer.events import EventBus
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.settings.reload import SettingsReload
from tg_video_streamer.settings.settings import LoadedSettings, Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildContext:
    """Shared by the functions that make parts."""

    loaded: LoadedSettings
    reload: SettingsReload
    """The settings in force, and the subscription to newer ones."""
    prepared: Prepared
    clock: Clock
    events: EventBus
    fanout: Fanout
    translator: Translator
    """The language of the service: alerts, chat and terminal."""

    @property
    def settings(self) -> Settings:
        """As they were at the start."""
        return self.loaded.settings
