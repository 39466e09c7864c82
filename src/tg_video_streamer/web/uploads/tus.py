"""`/uploads`: the protocol tus 1.0 (tus.io), with creation and termination."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth.visitor import visitor
from tg_video_streamer.web.http_body import require_type
from tg_video_streamer.web.pages.form_guard import require_operator_request
from tg_video_streamer.web.uploads.uploads import Uploads

VERSION = "1.0.0"
PATCH_TYPE = "application/offset+octet-stream"
_MAX_DIGITS = 15


def tus_routes(uploads: Uploads | None) -> list[Route]:
    """The routes; none where uploads are off."""
    if uploads is None:
        return []

    async def collection(request: Request) -> Response:
        if request.method == "OPTIONS":
            return _answer(
                204,
                {
                    "Tus-Version": VERSION,
                    "Tus-Extension": "creation,termination",
                    "Tus-Max-Size": str(uploads.space.quota_bytes),
                },
            )
        _require_allowed(request)
        name = _metadata(request.headers.get("upload-metadata", "")).get("filename", "")
        one = await uploads.begin(name, _number(request, "upload-length"))
        return _answer(201, {"Location": f"/uploads/{one.id}"})

    async def part(request: Request) -> Response:
        _require_allowed(request)
        upload = request.path_params["upload"]
        if request.method == "HEAD":
            one = await uploads.find(upload)
            return _answer(200, {"Upload-Offset": str(one.offset), "Upload-Length": str(one.length)})
        if request.method == "DELETE":
            await uploads.cancel(upload)
            return _answer(204, {})
        require_type(request, PATCH_TYPE)
        offset, name = await uploads.receive(
            upload, _number(request, "upload-offset"), request.stream(), by=visitor(request).name
        )
        return _answer(204, {"Upload-Offset": str(offset)} | ({"Upload-Name": quote(name)} if name else {}))

    return [
        Route("/uploads/tus", collection, methods=["OPTIONS", "POST"]),
        Route("/uploads/{upload}", part, methods=["HEAD", "PATCH", "DELETE"]),
    ]


def _require_allowed(request: Request) -> None:
    """Only operators, from our own pages, and with the version of the protocol that is spoken here."""
    require_operator_request(request, changes=request.method != "HEAD")
    if request.headers.get("tus-resumable") != VERSION:
        raise RequestRefused(Message.of("upload.version", version=VERSION), status=412)


def _answer(status: int, headers: Mapping[str, str]) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, **headers})


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise RequestRefused(Message.of("web.no_number", name=header), status=400)
    return int(text)


def _metadata(text: str) -> dict[str, str]:
    """`filename ZmlsbS5tcDQ=,other` as names and values. Raises RequestRefused with 400."""
    found = {}
    for pair in text.split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise RequestRefused(Message.of("upload.metadata"), status=400) from error
    return found
