"""`/api/as-run`: what was on air, newest first, filtered, as JSON or as CSV."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tg_video_streamer.asrun.entry import AsRunEntry, wall
from tg_video_streamer.asrun.reader import AsRunFilter, as_csv, read_entries
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.http_body import JsonResponse
from tg_video_streamer.web.one_at_a_time import OneAtATime

CSV_TYPE = "text/csv"
MAX_ROWS = 10_000
DEFAULT_ROWS = 500
NAMES = ("since", "until", "words", "level", "limit")
"""The query parameters."""


def as_run_routes(path: Path, long_reads: OneAtATime) -> list[Route]:
    """The route for the log at `path`."""

    async def answer(request: Request) -> Response:
        filter_, limit = read_filter(request.query_params.multi_items())
        try:
            rows = await long_reads.run(lambda: _rows(path, filter_, limit))
        except OSError as error:
            raise RequestRefused(
                Message.of("as_run.unreadable", detail=error.strerror or type(error).__name__), status=500
            ) from error
        if CSV_TYPE in request.headers.get("accept", ""):
            headers = {"Content-Disposition": 'attachment; filename="as-run.csv"', "Vary": "Accept"}
            # A lone surrogate stays visible instead of breaking the table.
            content = (await asyncio.to_thread(as_csv, rows)).encode("utf-8", "backslashreplace")
            return Response(content, media_type=CSV_TYPE, headers=headers)
        return JsonResponse({"ok": True, "result": [asdict(row) for row in rows]}, headers={"Vary": "Accept"})

    return [Route("/api/as-run", answer)]


def read_filter(pairs: list[tuple[str, str]]) -> tuple[AsRunFilter, int]:
    """The filter and the row limit. Raises RequestRefused with 422."""
    texts = dict(pairs)
    if len(texts) != len(pairs) or not texts.keys() <= set(NAMES):
        raise RequestRefused(Message.of("web.filter", known=", ".join(NAMES)), status=422)
    level = texts.get("level", "")
    if level and level not in set(SourceLevel):
        raise RequestRefused(Message.of("web.level", known=", ".join(SourceLevel)), status=422)
    limit = texts.get("limit", str(DEFAULT_ROWS))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 8 and 1 <= int(limit) <= MAX_ROWS):
        raise RequestRefused(Message.of("web.limit", most=MAX_ROWS), status=422)
    filter_ = AsRunFilter(
        since_wall=_time(texts, "since", -math.inf),
        until_wall=_time(texts, "until", math.inf),
        words=texts.get("words", ""),
        level=level,
    )
    return filter_, int(limit)


def _time(texts: Mapping[str, str], name: str, otherwise: float) -> float:
    if name not in texts:
        return otherwise
    try:
        return wall(texts[name])
    except (ValueError, OverflowError) as error:
        raise RequestRefused(Message.of("web.no_time", name=name), status=422) from error


def _rows(path: Path, filter_: AsRunFilter, limit: int) -> list[AsRunEntry]:
    return list(islice(read_entries(path, filter_), limit))
