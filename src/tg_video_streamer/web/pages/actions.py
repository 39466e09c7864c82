"""`/actions/{command}`: runs a command from a page's form and returns to the page, which shows the result."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.control.commands import COMMANDS, Commands
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES, error_json
from tg_video_streamer.errors import ControlError, RequestRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.client_address import own_path
from tg_video_streamer.web.auth.middleware import accepts_json
from tg_video_streamer.web.auth.visitor import FlashMessage, visitor
from tg_video_streamer.web.command_arguments import from_texts
from tg_video_streamer.web.http_body import JsonResponse, read_form


def action_routes(commands: Commands, access: Access) -> list[Route]:
    """One route for all commands; the fields are the arguments, `csrf` and `back`."""

    async def run(request: Request) -> Response:
        name = request.path_params["command"]
        command = COMMANDS.get(name)
        if command is None:
            raise RequestRefused(Message.of("refused.unknown_command", commands=", ".join(COMMANDS)), status=404)
        access.require_role(request, command)
        fields = await read_form(request, limit=MAX_REQUEST_BYTES)
        csrf, back = fields.pop("csrf", ""), own_path(fields.pop("back", "/"))
        if command.changes:
            access.require_form_token(request, request.headers.get("x-csrf", csrf))
        try:
            caller = Caller(origin=Origin.PAGE, name=visitor(request).name)
            answer = await execute(commands, from_texts(name, fields), caller)
        except (ControlError, RequestRefused) as error:
            return _failed(request, error, back)
        return _done(request, answer, back)

    return [Route("/actions/{command}", run, methods=["POST"])]


def _done(request: Request, answer: Any, back: str) -> Response:
    if accepts_json(request):
        return JsonResponse({"ok": True, "result": answer})
    message = Message.from_json(answer) if _is_message(answer) else Message.of("answer.done")
    return _redirect(request, FlashMessage(ok=True, text=message), back)


def _failed(request: Request, error: ControlError | RequestRefused, back: str) -> Response:
    if accepts_json(request):
        status = error.status if isinstance(error, RequestRefused) else 409
        return JsonResponse({"ok": False, **error_json(error)}, status_code=status)
    return _redirect(request, FlashMessage.of(error), back)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"key", "values", "text"}


def _redirect(request: Request, message: FlashMessage, back: str) -> Response:
    """Back to the page, with the message in the session: in the URL, anyone could forge it."""
    if request.state.session is not None:
        request.state.session.flash(message)
    return RedirectResponse(back, status_code=303)
