"""Reads what a request sends, no more and no longer than allowed: nothing is kept of what is too large."""

from __future__ import annotations

import asyncio
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from starlette.requests import Request

from tg_video_streamer.errors import RequestRefused

BODY_SECONDS = 15.0
"""How long a body may take to arrive."""
FORM_TYPE = "application/x-www-form-urlencoded"
FILE_FORM_TYPE = "multipart/form-data"
_MOST_FIELDS = 32


async def read_body(request: Request, *, limit: int) -> bytes:
    """The whole body. Raises RequestRefused: 413 beyond `limit` bytes, before the rest is read, and 408 for a slow one."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise _too_large(limit)
    received = bytearray()
    try:
        async with asyncio.timeout(body_seconds(request)):
            async for part in request.stream():
                received += part
                if len(received) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise RequestRefused("the request did not arrive in time", status=408, remedy="send it again") from error
    return bytes(received)


async def read_form(request: Request, *, limit: int, with_file: bool = False) -> dict[str, str]:
    """The fields of a form, `with_file` also of one that sends a text file. Raises RequestRefused as `read_body`.

    And 415 for another type, and 422 for what is no form, or whose file is not UTF-8.
    """
    if not with_file or _type_of(request) != FILE_FORM_TYPE:
        require_type(request, FORM_TYPE)
    body = await read_body(request, limit=limit)
    try:
        if _type_of(request) == FILE_FORM_TYPE:
            pairs = _parts(request.headers["content-type"], body)
        else:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise RequestRefused("the form cannot be read", status=422, remedy="send it as UTF-8") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestRefused("a field of the form is there twice", status=422, remedy="send each once")
    return fields


def require_type(request: Request, wanted: str) -> None:
    """Raises RequestRefused with 415 where the body is of another type."""
    if _type_of(request) != wanted:
        raise RequestRefused("the body is of a type that is not taken here", status=415, remedy=f"send {wanted}")


def _type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _parts(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """The fields of a multipart form (RFC 7578) with their texts, read as the mail format that it is.

    Raises ValueError for anything else.
    """
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    if message.defects or not 0 < len(parts) <= _MOST_FIELDS:
        raise ValueError("no multipart form")
    return [
        (
            str(part.get_param("name", header="content-disposition")),
            bytes(part.get_payload(decode=True)).decode("utf-8-sig"),
        )
        for part in parts
    ]


def body_seconds(request: Request) -> float:
    """How long the body of this request may take: as the application was told."""
    seconds: float = getattr(request.app.state, "body_seconds", BODY_SECONDS)
    return seconds


def _too_large(limit: int) -> RequestRefused:
    return RequestRefused(f"the request is longer than {limit} bytes", status=413, remedy="send less at once")
