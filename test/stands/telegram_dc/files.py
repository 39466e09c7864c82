"""Files in messages: what they are said to be, and their bytes part by part from the data center that has them."""

from __future__ import annotations

import os
from typing import Any

from pyrogram.raw import types

from stands.telegram_dc.handlers import Table
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import FileKind, RpcFailed, StoredFile, World

FILES = Table()
_BORN = 1_700_000_000
_KILOBYTE, _MEGABYTE = 1024, 1024 * 1024
_SIZE = "y"
"""The only size that a photo of this Telegram has."""


def told_media(file: StoredFile) -> Any:
    """The media of a message as the API returns it."""
    if file.kind is FileKind.PHOTO:
        sizes = [
            types.PhotoStrippedSize(type="i", bytes=b"\1\2\3"),
            types.PhotoSize(type=_SIZE, w=1280, h=720, size=len(file.data)),
        ]
        photo = types.Photo(
            id=file.id,
            access_hash=file.access_hash,
            file_reference=file.reference,
            date=_BORN,
            sizes=sizes,
            dc_id=file.dc,
        )
        return types.MessageMediaPhoto(photo=photo)
    document = types.Document(
        id=file.id,
        access_hash=file.access_hash,
        file_reference=file.reference,
        date=_BORN,
        mime_type=file.mime,
        size=len(file.data),
        dc_id=file.dc,
        attributes=_attributes(file),
    )
    return types.MessageMediaDocument(document=document)


def _attributes(file: StoredFile) -> list[Any]:
    found: list[Any] = []
    if file.kind in {FileKind.VIDEO, FileKind.VIDEO_NOTE, FileKind.ANIMATION}:
        note = file.kind is FileKind.VIDEO_NOTE
        found.append(types.DocumentAttributeVideo(duration=file.seconds, w=1280, h=720, round_message=note))
    if file.kind in {FileKind.AUDIO, FileKind.VOICE}:
        found.append(
            types.DocumentAttributeAudio(
                duration=int(file.seconds),
                voice=file.kind is FileKind.VOICE,
                title=file.title or None,
                performer=file.performer or None,
            )
        )
    if file.kind is FileKind.ANIMATION:
        found.append(types.DocumentAttributeAnimated())
    if file.kind is FileKind.STICKER:
        found.append(types.DocumentAttributeSticker(alt="", stickerset=types.InputStickerSetEmpty()))
    if file.name:
        found.append(types.DocumentAttributeFilename(file_name=file.name))
    return found


def file_of(world: World, location: Any) -> StoredFile:
    """The file at a location; raises RpcFailed."""
    wanted = isinstance(location, types.InputPhotoFileLocation)
    for chat in world.chats.values():
        for message in chat.messages.values():
            file = message.file
            if file is None or file.id != location.id or (file.kind is FileKind.PHOTO) != wanted:
                continue
            if file.access_hash != location.access_hash:
                raise RpcFailed(400, "LOCATION_INVALID")
            if file.reference != location.file_reference:
                raise RpcFailed(400, "FILE_REFERENCE_EXPIRED")
            return file
    raise RpcFailed(400, "FILE_ID_INVALID")


def _check_range(request: Any) -> None:
    """https://core.telegram.org/api/files#downloading-files."""
    step = _KILOBYTE if request.precise else 4 * _KILOBYTE
    if request.offset % step:
        raise RpcFailed(400, "OFFSET_INVALID")
    if (
        request.limit % step
        or not 0 < request.limit <= _MEGABYTE
        or (not request.precise and _MEGABYTE % request.limit)
    ):
        raise RpcFailed(400, "LIMIT_INVALID")
    if request.offset // _MEGABYTE != (request.offset + request.limit - 1) // _MEGABYTE:
        raise RpcFailed(400, "LIMIT_INVALID")


@FILES.on("upload.getFile")
def _get_file(connection: Connection, request: Any) -> Any:
    world = connection.world
    file = file_of(world, request.location)
    if connection.dc != file.dc:
        raise RpcFailed(303, f"FILE_MIGRATE_{file.dc}")
    _check_range(request)
    if world.on_part is not None:
        world.on_part(file, request.offset)
    if file.cdn:
        return types.upload.FileCdnRedirect(
            dc_id=203,
            file_token=os.urandom(16),
            encryption_key=os.urandom(32),
            encryption_iv=os.urandom(16),
            file_hashes=[],
        )
    data = file.data[request.offset : request.offset + request.limit]
    return types.upload.File(type=types.storage.FilePartial(), mtime=_BORN, bytes=data)
