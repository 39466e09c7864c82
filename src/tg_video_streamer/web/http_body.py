"""Reads request bodies within limits of size and time, and writes JSON responses."""

from __future__ import annotations

import asyncio
import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message

BODY_SECONDS = 15.0
"""The time limit for a body to arrive."""
FORM_TYPE = "application/x-www-form-urlencoded"
FILE_FORM_TYPE = "multipart/form-data"
MAX_FIELDS = 32


class JsonResponse(JSONResponse):
    """JSON as ASCII, so that a lone surrogate in a file name cannot break it."""

    def render(self, content: Any) -> bytes:
        """One line."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


async def read_body(request: Request, *, limit: int) -> bytes:
    """The whole body. Raises RequestRefused: 413 above `limit` bytes, without reading the rest, and 408 on a timeout."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    received = bytearray()
    try:
        async with asyncio.timeout(body_seconds(request)):
            async for part in request.stream():
                received += part
                if len(received) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise RequestRefused(Message.of("web.slow_request"), status=408) from error
    return bytes(received)


async def read_form(
    request: Request, *, limit: int, with_file: bool = False, max_fields: int = MAX_FIELDS
) -> dict[str, str]:
    """The fields of a form; `with_file` also accepts a form with a text file.

    Raises RequestRefused as `read_body`, with 415 for another type, and with 422 for an invalid form or a file that
    is not UTF-8.
    """
    if not with_file or _type_of(request) != FILE_FORM_TYPE:
        require_type(request, FORM_TYPE)
    body = await read_body(request, limit=limit)
    try:
        if _type_of(request) == FILE_FORM_TYPE:
            pairs = _parts(request.headers["content-type"], body)
        else:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=max_fields)
    except ValueError as error:
        raise RequestRefused(Message.of("web.bad_form"), status=422) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestRefused(Message.of("web.twice"), status=422)
    return fields


def require_type(request: Request, wanted: str) -> None:
    """Raises RequestRefused with 415 for a body of another type."""
    if _type_of(request) != wanted:
        raise RequestRefused(Message.of("web.content_type", wanted=wanted), status=415)


def _type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _parts(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """The fields of a multipart form (RFC 7578), parsed as a mail message. Raises ValueError for anything else."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    if message.defects or not 0 < len(parts) <= MAX_FIELDS:
        raise ValueError("no multipart form")
    return [
        (
            str(part.get_param("name", header="content-disposition")),
            bytes(part.get_payload(decode=True)).decode("utf-8-sig"),
        )
        for part in parts
    ]


def body_seconds(request: Request) -> float:
    """The time limit of the application for a body."""
    seconds: float = getattr(request.app.state, "body_seconds", BODY_SECONDS)
    return seconds


def _too_large(limit: int) -> RequestRefused:
    return RequestRefused(Message.of("web.too_long", limit=limit), status=413)
