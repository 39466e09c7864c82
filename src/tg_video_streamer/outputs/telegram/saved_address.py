"""Saves where a chat's live stream is published, so that a restart goes on air without a session."""

from __future__ import annotations

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.rtmp.address import RtmpAddress, parse_rtmp_url
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.chat.reference import ChatReference
from tg_video_streamer.telegram.client.state_file import TelegramState

_RECORD = "stream"


class SavedAddress:
    """URL and key of one chat; those of another chat do not count."""

    def __init__(self, store: TelegramState, reference: ChatReference) -> None:
        self._store = store
        self._mark = {"kind": str(reference.kind), "text": reference.text}

    def save(self, url: str, key: str) -> None:
        """Save both, as Telegram handed them out."""
        remember_secret(key)
        self._store.put(_RECORD, {**self._mark, "url": url, "key": key})

    def address(self) -> RtmpAddress | None:
        """Where to publish; None where nothing is known, or nothing that can be read."""
        record = self._store.get(_RECORD)
        if not record or any(record.get(name) != value for name, value in self._mark.items()):
            return None
        try:
            remember_secret(str(record["key"]))
            return parse_rtmp_url(f"{str(record['url']).rstrip('/')}/{record['key']}")
        except (KeyError, ConfigError):
            # The record is damaged: as if there were none.
            return None
