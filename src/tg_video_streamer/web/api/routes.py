"""`/api/…`: one route a command; GET reads, POST changes, and every error is JSON."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.control.commands import COMMANDS, Command, CommandRequest
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES
from tg_video_streamer.errors import ControlError, RequestRefused, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.api.as_run import as_run_routes
from tg_video_streamer.web.api.openapi import openapi_document
from tg_video_streamer.web.audience import audience_routes
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.visitor import visitor
from tg_video_streamer.web.command_arguments import from_texts, from_values
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.http_body import JsonResponse, read_body, require_type

JSON_TYPE = "application/json"


def methods_of(command: Command) -> tuple[str, ...]:
    """GET for commands that only read, POST for changes and for reads whose arguments may be too long for a URL."""
    if command.changes:
        return ("POST",)
    return ("GET", "POST") if command.arguments else ("GET",)


def api_routes(context: WebContext, access: Access) -> list[Route]:
    """One route for each command, the as-run log and the OpenAPI document."""

    @cache
    def document() -> JsonResponse:
        return JsonResponse(openapi_document(methods_of, open_reading=access.open_reading))

    async def openapi(_request: Request) -> Response:
        return document()

    commands = [_command_route(command, context, access) for command in COMMANDS.values()]
    logs = (*as_run_routes(context.as_run, context.long_reads), *audience_routes(context.audience, context.long_reads))
    return [*commands, *logs, Route("/api/openapi.json", openapi)]


def _command_route(command: Command, context: WebContext, access: Access) -> Route:
    async def answer(request: Request) -> Response:
        access.require_role(request, command)
        if command.changes:
            access.require_form_token(request, request.headers.get("x-csrf", ""))
        call = await _read_command(command.name, request)
        try:
            result = await execute(context.commands, call, Caller(origin=Origin.API, name=visitor(request).name))
        except ControlError as error:
            raise RequestRefused(error.message, status=_status_of(error), remedy=error.remedy_message or "") from error
        return JsonResponse({"ok": True, "result": result})

    return Route(f"/api/{command.name}", answer, methods=list(methods_of(command)))


async def _read_command(name: str, request: Request) -> CommandRequest:
    """The command with its arguments: from the URL for GET, from the body for POST."""
    pairs = request.query_params.multi_items()
    if request.method != "POST":
        if len(dict(pairs)) != len(pairs):
            raise RequestRefused(Message.of("web.twice"), status=422)
        return from_texts(name, dict(pairs))
    if pairs:
        raise RequestRefused(Message.of("web.arguments_in_url"), status=422)
    body = await read_body(request, limit=MAX_REQUEST_BYTES)
    return from_values(name, _read_object(request, body) if body else {})


def _read_object(request: Request, body: bytes) -> dict[str, Any]:
    require_type(request, JSON_TYPE)
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRefused(Message.of("web.no_object"), status=422) from error
    if not isinstance(values, dict):
        raise RequestRefused(Message.of("web.no_object"), status=422)
    return values


def _status_of(error: ControlError) -> int:
    """409 where the channel cannot do that now; 500 for an internal error."""
    return 409 if isinstance(error.__cause__, StreamerError) else 500
