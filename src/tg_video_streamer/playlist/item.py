"""One item to play: a value with a stable key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import StrEnum

from tg_video_streamer.languages import TrackPreference, preference_of
from tg_video_streamer.media import Fit
from tg_video_streamer.playlist.telegram_link import ChatOrder


class LocatorKind(StrEnum):
    """What an item's locator is."""

    FILE = "file"
    """An absolute path in an allowed folder: a media file, a folder, a list or an HLS manifest."""
    URL = "url"
    """http or https; the resolver finds out what it is."""
    TELEGRAM = "telegram"
    """A message or a whole chat: the locator of a TelegramLink."""
    LIVE = "live"
    """A live feed by its address: rtmp, rtmps, rtsp, srt or udp."""


DOWNLOADED = frozenset({LocatorKind.URL, LocatorKind.TELEGRAM})
"""What is downloaded ahead of need where it is finite."""


@dataclass(frozen=True, slots=True)
class Item:
    """Items with the same `key` are the same for positions, shuffling and quarantine."""

    kind: LocatorKind
    locator: str
    _: KW_ONLY
    title: str = ""
    """The operator's; empty: the source's own, or the file name."""
    start_seconds: float = 0.0
    end_seconds: float | None = None
    volume: float = 1.0
    """A factor on the normalized loudness, 0 to 4."""
    fit: Fit | None = None
    """How its picture fits another shape; None: as the setting says."""
    gapless: bool = False
    """Neither its sound nor its picture fades at its ends: it is one piece with its neighbors."""
    audio: str = ""
    """The languages of its sound as in `AUDIO_LANGUAGE`; empty: as the setting says."""
    subtitles: str = ""
    """Its subtitles as in `SUBTITLES`; empty: as the setting says."""
    public_only: bool = False
    """Only public addresses, never this host's own network."""
    for_seconds: float | None = None
    """How long it is on at most, from its start."""
    until: str = ""
    """The time of day, such as 18:30, at which it is over."""
    backup: Item | None = None
    """Plays while this item's live feed is away, and in its place where its source fails."""
    order: ChatOrder = ChatOrder.OLDEST
    since: str = ""
    """The first day, such as 2026-01-01."""
    match: str = ""
    """Words that caption or file name must have. These three choose and order the media of a whole chat."""
    key: str = field(init=False)
    """Stable over edits and restarts: a digest of locator, start, end and the choice of a chat's media (16 hexadecimal digits)."""

    def __post_init__(self) -> None:
        """Compute the key."""
        end = "" if self.end_seconds is None else f"\n{float(self.end_seconds)}"
        text = f"{self.locator}\n{float(self.start_seconds)}{end}"
        if self.chooses:
            text += f"\n{self.order}\n{self.since}\n{self.match}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        object.__setattr__(self, "key", digest)

    @property
    def media_options(self) -> tuple[float | str | None, ...]:
        """The options that change picture or sound; PLAIN where none does."""
        end = self.end_seconds
        fit = () if self.fit is None else (str(self.fit),)
        return float(self.start_seconds), None if end is None else float(end), float(self.volume), *fit

    def tracks(self, default: TrackPreference) -> TrackPreference:
        """Its languages; `default`: the channel's. Not in `media_options`, since it depends on the settings too."""
        return preference_of(self.audio, self.subtitles, default) if self.audio or self.subtitles else default

    def with_backups(self) -> Iterator[Item]:
        """This item, its backup, the backup of that, and so on."""
        item: Item | None = self
        while item is not None:
            yield item
            item = item.backup

    @property
    def timed(self) -> bool:
        """Whether it ends by the clock."""
        return self.for_seconds is not None or bool(self.until)

    @property
    def persists(self) -> bool:
        """Whether its live feed is awaited until its time is over, however long it is away."""
        return self.timed and self.backup is not None and self.kind in {LocatorKind.LIVE, LocatorKind.URL}

    @property
    def chooses(self) -> bool:
        """Whether an option chooses or orders the media of a chat."""
        return self.order is not ChatOrder.OLDEST or bool(self.since) or bool(self.match)

    def child(self, kind: LocatorKind, locator: str, *, title: str = "") -> Item:
        """An item of this list, with the options of the list except its title and its choice of children."""
        child = replace(self, kind=kind, locator=locator, title=title)
        return replace(child, order=ChatOrder.OLDEST, since="", match="") if self.chooses else child


PLAIN = (0.0, None, 1.0)
"""The `media_options` of an item that plays whole and unchanged."""
