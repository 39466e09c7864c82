"""What a message of Telethon's holds that can be played."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from telethon.tl import types

from tg_video_streamer.playlist.folders import MEDIA_EXTENSIONS

_LONGEST_TITLE = 200
_PLAYABLE = ("video/", "audio/", "image/")
_SUFFIXES = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "image/jpeg": "jpg",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageMedia:
    """One file of a message."""

    message_id: int
    album: int
    """The same number in all messages of an album; 0 outside of one."""
    sent_wall: float
    caption: str
    file_name: str
    title: str
    """From caption, sound tags or file name; empty where there is none."""
    suffix: str
    size_bytes: int
    seconds: float | None
    media_id: int
    """Of the document or photo."""
    dc_id: int
    location: Any = field(repr=False)
    """As upload.getFile takes it, with a file reference that expires."""


def media_of(message: Any) -> MessageMedia | None:
    """The file in `message`: video, video note, audio, voice, animation or photo; None for everything else."""
    if not isinstance(message, types.Message):
        return None
    media = message.media
    if isinstance(media, types.MessageMediaDocument) and isinstance(media.document, types.Document):
        return _document(message, media.document)
    if isinstance(media, types.MessageMediaPhoto) and isinstance(media.photo, types.Photo):
        return _photo(message, media.photo)
    return None


def _document(message: Any, document: Any) -> MessageMedia | None:
    attributes = {type(one): one for one in document.attributes}
    if types.DocumentAttributeSticker in attributes or types.DocumentAttributeCustomEmoji in attributes:
        return None
    named = attributes.get(types.DocumentAttributeFilename)
    name = named.file_name if named is not None else ""
    extension = PurePosixPath(name).suffix.lower()
    if not document.mime_type.startswith(_PLAYABLE) and extension not in MEDIA_EXTENSIONS:
        return None
    timed = attributes.get(types.DocumentAttributeVideo) or attributes.get(types.DocumentAttributeAudio)
    sound = attributes.get(types.DocumentAttributeAudio)
    tags = [tag for tag in (sound.performer, sound.title) if tag] if sound is not None else []
    return MessageMedia(
        message_id=message.id,
        album=message.grouped_id or 0,
        sent_wall=message.date.timestamp(),
        caption=message.message,
        file_name=name,
        title=_first_line(message.message) or " - ".join(tags) or PurePosixPath(name).stem,
        suffix=extension[1:] if extension in MEDIA_EXTENSIONS else _suffix(document.mime_type),
        size_bytes=document.size,
        seconds=float(timed.duration) if timed is not None and timed.duration else None,
        media_id=document.id,
        dc_id=document.dc_id,
        location=types.InputDocumentFileLocation(
            id=document.id,
            access_hash=document.access_hash,
            file_reference=document.file_reference,
            thumb_size="",
        ),
    )


def _photo(message: Any, photo: Any) -> MessageMedia | None:
    """The photo in its largest size."""
    sizes = {}
    for one in photo.sizes:
        if isinstance(one, types.PhotoSize):
            sizes[one.size] = one.type
        elif isinstance(one, types.PhotoSizeProgressive):
            sizes[max(one.sizes)] = one.type
    if not sizes:
        return None
    size = max(sizes)
    return MessageMedia(
        message_id=message.id,
        album=message.grouped_id or 0,
        sent_wall=message.date.timestamp(),
        caption=message.message,
        file_name="",
        title=_first_line(message.message),
        suffix="jpg",
        size_bytes=size,
        seconds=None,
        media_id=photo.id,
        dc_id=photo.dc_id,
        location=types.InputPhotoFileLocation(
            id=photo.id, access_hash=photo.access_hash, file_reference=photo.file_reference, thumb_size=sizes[size]
        ),
    )


def _first_line(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "")[:_LONGEST_TITLE]


def _suffix(mime: str) -> str:
    return _SUFFIXES.get(mime) or (mimetypes.guess_extension(mime) or ".mp4")[1:]
