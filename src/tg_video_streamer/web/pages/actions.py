"""`/do/{command}`: carries out what a form of a page says, and goes back to the page, which tells what became of it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tg_video_streamer.control.commands import COMMANDS, Commands
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES
from tg_video_streamer.errors import ControlError, RequestRefused
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.client_address import own_path
from tg_video_streamer.web.auth.middleware import wants_json
from tg_video_streamer.web.auth.visitor import Notice, visitor
from tg_video_streamer.web.command_arguments import from_texts
from tg_video_streamer.web.json_response import JsonResponse
from tg_video_streamer.web.request_body import read_form


def do_routes(verbs: Commands, access: Access) -> list[Route]:
    """One route for all commands; the fields are the command's arguments, `csrf`, and `back`."""

    async def do(request: Request) -> Response:
        name = request.path_params["command"]
        command = COMMANDS.get(name)
        if command is None:
            raise RequestRefused("there is no such command", status=404, remedy=f"commands: {', '.join(COMMANDS)}")
        access.check_role(request, command)
        fields = await read_form(request, limit=MAX_REQUEST_BYTES)
        csrf, back = fields.pop("csrf", ""), own_path(fields.pop("back", "/"))
        if command.changes:
            access.check_form(request, request.headers.get("x-csrf", csrf))
        try:
            answer = execute(verbs, from_texts(name, fields), Caller(origin=Origin.PAGE, name=visitor(request).name))
        except (ControlError, RequestRefused) as error:
            return _failed(request, error, back)
        return _done(request, answer, back)

    return [Route("/do/{command}", do, methods=["POST"])]


def _done(request: Request, answer: Any, back: str) -> Response:
    if wants_json(request):
        return JsonResponse({"ok": True, "result": answer})
    return _go(request, Notice(ok=True, text=answer if isinstance(answer, str) else "done"), back)


def _failed(request: Request, error: ControlError | RequestRefused, back: str) -> Response:
    if wants_json(request):
        status = error.status if isinstance(error, RequestRefused) else 409
        return JsonResponse({"ok": False, "error": error.what, "remedy": error.remedy}, status_code=status)
    return _go(request, Notice(ok=False, text=error.what, remedy=error.remedy), back)


def _go(request: Request, notice: Notice, back: str) -> Response:
    """To the page that tells it. The words stay here: what stood in the address could be anybody's."""
    if request.state.session is not None:
        request.state.session.tell(notice)
    return RedirectResponse(back, status_code=303)
