"""Builds the OpenAPI 3.1 document from the table of commands and their result classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from tg_video_streamer.asrun.audience import AudienceBy, AudienceRow
from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.control.commands import COMMANDS, Command
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.monitoring.webhooks.message import webhook_schemas
from tg_video_streamer.web.api.as_run import CSV_TYPE, DEFAULT_ROWS, MAX_ROWS
from tg_video_streamer.web.command_arguments import MAX_INTEGER

Methods = Callable[[Command], Sequence[str]]

_WHERE = "#/components/schemas/{model}"
_ARGUMENTS: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER},
}
_REFUSALS = {
    400: "The URL contains a token.",
    401: "The token is missing or wrong.",
    403: "Viewers may only read.",
    408: "The body did not arrive in time.",
    409: "The channel cannot do that now.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The arguments do not fit the command.",
    429: "Too many wrong tokens; try again after Retry-After seconds.",
    500: "An internal error; see the service's log.",
}


def openapi_document(methods_of: Methods, *, open_reading: bool) -> dict[str, Any]:
    """The whole document; with `open_reading`, reading needs no token."""
    answers = {name: TypeAdapter(command.answer) for name, command in COMMANDS.items()}
    answers["as-run"] = TypeAdapter(tuple[AsRunEntry, ...])
    answers["audience"] = TypeAdapter(tuple[AudienceRow, ...])
    schemas, common = TypeAdapter.json_schemas(
        [(name, "serialization", adapter) for name, adapter in answers.items()],
        ref_template=_WHERE,
        schema_generator=GenerateJsonSchema,
    )
    results = {name: _success(schemas[name, "serialization"]) for name in answers}
    paths = {
        f"/api/{name}": _command_path(name, methods_of, results[name], open_reading=open_reading) for name in COMMANDS
    }
    paths["/api/as-run"] = {"get": _as_run(results["as-run"], open_reading=open_reading)}
    paths["/api/audience"] = {"get": _audience(results["audience"], open_reading=open_reading)}
    messages, message_parts = webhook_schemas(_WHERE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tg-video-streamer",
            "version": version("tg-video-streamer"),
            "description": "Reads and controls one channel, with the same commands as the command line, the pages and the chat.",
        },
        "paths": paths,
        "webhooks": {kind: _webhook(kind, schema) for kind, schema in messages.items()},
        "components": {
            "schemas": common.get("$defs", {}) | message_parts | {"Refusal": _refusal()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _command_path(name: str, methods_of: Methods, result: dict[str, Any], *, open_reading: bool) -> dict[str, Any]:
    command = COMMANDS[name]
    path = {}
    for method in methods_of(command):
        operation: dict[str, Any] = {
            "operationId": name if len(methods_of(command)) == 1 else f"{name}_{method.lower()}",
            "summary": command.summary,
            "tags": ["operator" if command.for_operators else "viewer"],
            "security": _security(for_operators=command.for_operators, open_reading=open_reading),
            "responses": _responses({"application/json": {"schema": result}}, method),
        }
        if method == "GET":
            operation["parameters"] = [_parameter(word, _ARGUMENTS[kind]) for word, kind in command.arguments.items()]
        elif command.arguments:
            operation["requestBody"] = _body(command)
        path[method.lower()] = operation
    return path


def _body(command: Command) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {word: _ARGUMENTS[kind] for word, kind in command.arguments.items()},
        "required": list(command.arguments),
        "additionalProperties": False,
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _as_run(result: dict[str, Any], *, open_reading: bool) -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": DEFAULT_ROWS}
    names: dict[str, dict[str, Any]] = {
        "since": time,
        "until": time,
        "words": {"type": "string"},
        "level": {"type": "string", "enum": ["", *map(str, SourceLevel)]},
        "limit": limit,
    }
    content = {"application/json": {"schema": result}, CSV_TYPE: {"schema": {"type": "string"}}}
    return {
        "operationId": "as_run",
        "summary": "What was on air, newest first: rows that end after `since`, start before `until`, have all `words` in "
        "their title, and have this `level` (empty: any).",
        "tags": ["viewer"],
        "security": _security(for_operators=False, open_reading=open_reading),
        "parameters": [_parameter(name, schema, required=False) for name, schema in names.items()],
        "responses": _responses(content, "GET"),
    }


def _audience(result: dict[str, Any], *, open_reading: bool) -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    by = {"type": "string", "enum": list(map(str, AudienceBy)), "default": str(AudienceBy.ITEM)}
    names: dict[str, dict[str, Any]] = {"by": by, "since": time, "until": time}
    content = {"application/json": {"schema": result}, CSV_TYPE: {"schema": {"type": "string"}}}
    return {
        "operationId": "audience",
        "summary": "Who watched what from `since` to `until`, by item, hour, day, or each change of the number of viewers.",
        "tags": ["viewer"],
        "security": _security(for_operators=False, open_reading=open_reading),
        "parameters": [_parameter(name, schema, required=False) for name, schema in names.items()],
        "responses": _responses(content, "GET"),
    }


def _webhook(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What WEBHOOKS are sent: any status from 200 to 299 takes it, every other answer asks for it again."""
    headers = {name: {"type": "string"} for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    return {
        "post": {
            "operationId": f"webhook_{kind.replace('.', '_')}",
            "summary": f"{kind}, signed as Standard Webhooks says.",
            "parameters": [
                {"name": name, "in": "header", "required": name != "webhook-signature", "schema": of}
                for name, of in headers.items()
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {"2XX": {"description": "Taken."}},
        }
    }


def _security(*, for_operators: bool, open_reading: bool) -> list[dict[str, list[str]]]:
    return [{"token": []}] if for_operators or not open_reading else [{"token": []}, {}]


def _parameter(name: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _success(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"ok": {"const": True}, "result": schema},
        "required": ["ok", "result"],
        "additionalProperties": False,
    }


def _refusal() -> dict[str, Any]:
    message = {"$ref": _WHERE.format(model="Message")}
    return {
        "type": "object",
        "description": "What happened and how to fix it; `remedy` is null where there is none.",
        "properties": {"ok": {"const": False}, "error": message, "remedy": {"anyOf": [message, {"type": "null"}]}},
        "required": ["ok", "error", "remedy"],
        "additionalProperties": False,
    }


def _responses(content: dict[str, Any], method: str) -> dict[str, Any]:
    refusal = {"application/json": {"schema": {"$ref": _WHERE.format(model="Refusal")}}}
    bodyless = {408, 413, 415} if method == "GET" else set()
    possible = {status: meaning for status, meaning in _REFUSALS.items() if status not in bodyless}
    refusals = {str(status): {"description": meaning, "content": refusal} for status, meaning in possible.items()}
    return {"200": {"description": "Done.", "content": content}} | refusals
