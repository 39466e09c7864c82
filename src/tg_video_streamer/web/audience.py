"""`/api/audience` and `/audience.csv`: who watched what, by item, hour, day or change."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.asrun.audience import COLUMNS, AudienceBy, AudienceRow, cells, read_samples, table
from tg_video_streamer.asrun.entry import wall
from tg_video_streamer.asrun.reader import csv_text
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.http_body import JsonResponse
from tg_video_streamer.web.one_at_a_time import OneAtATime

CSV_TYPE = "text/csv"
MAX_ROWS = 10_000
NAMES = ("by", "since", "until")
"""The query parameters."""


def audience_routes(path: Path, long_reads: OneAtATime) -> list[Route]:
    """The routes for the file at `path`."""

    async def answer(request: Request) -> Response:
        rows = await long_reads.run(_reading(path, request))
        if CSV_TYPE in request.headers.get("accept", ""):
            return await csv_answer(rows)
        return JsonResponse({"ok": True, "result": [asdict(row) for row in rows]}, headers={"Vary": "Accept"})

    async def file(request: Request) -> Response:
        return await csv_answer(await long_reads.run(_reading(path, request)))

    return [Route("/api/audience", answer), Route("/audience.csv", file)]


async def csv_answer(rows: list[AudienceRow]) -> Response:
    """The rows as a file for spreadsheets."""
    text = await asyncio.to_thread(csv_text, COLUMNS, [cells(row) for row in rows])
    headers = {"Content-Disposition": 'attachment; filename="audience.csv"', "Vary": "Accept"}
    return Response(text.encode("utf-8", "backslashreplace"), media_type=CSV_TYPE, headers=headers)


def _reading(path: Path, request: Request) -> Callable[[], list[AudienceRow]]:
    """What reads the rows in a thread. Raises RequestRefused with 422 for wrong parameters."""
    pairs = request.query_params.multi_items()
    texts = dict(pairs)
    if len(texts) != len(pairs) or not texts.keys() <= set(NAMES):
        raise RequestRefused(Message.of("web.filter", known=", ".join(NAMES)), status=422)
    if (by := texts.get("by", AudienceBy.ITEM)) not in set(AudienceBy):
        raise RequestRefused(Message.of("web.audience_by", known=", ".join(AudienceBy)), status=422)
    since, until = _time(texts, "since", -math.inf), _time(texts, "until", math.inf)
    return lambda: rows_of(path, AudienceBy(by), since_wall=since, until_wall=until)


def rows_of(path: Path, by: AudienceBy, *, since_wall: float, until_wall: float) -> list[AudienceRow]:
    """The rows of a time; for a thread. Raises RequestRefused where the file cannot be read."""
    try:
        return table(read_samples(path, since_wall=since_wall, until_wall=until_wall), by)[:MAX_ROWS]
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise RequestRefused(Message.of("audience.unreadable", detail=detail), status=500) from error


def _time(texts: dict[str, str], name: str, otherwise: float) -> float:
    if name not in texts:
        return otherwise
    try:
        return wall(texts[name])
    except (ValueError, OverflowError) as error:
        raise RequestRefused(Message.of("web.no_time", name=name), status=422) from error
