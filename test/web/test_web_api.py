"""The API and its OpenAPI document: schemathesis, the as-run log, errors."""

from __future__ import annotations

import csv
import io
import json
import socket
import warnings
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from stands.page import OPERATOR, Site, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program
from tg_video_streamer.control.commands import COMMANDS
from tg_video_streamer.web.api.routes import methods_of

ROWS = (
    {"start": "2026-05-01T20:00:00+00:00", "end": "2026-05-01T20:10:00+00:00", "title": "Harbour at dawn"},
    {
        "start": "2026-05-01T20:10:00+00:00",
        "end": "2026-05-01T20:12:00+00:00",
        "title": "",
        "level": "slate",
        "slate_reason": "source_failed",
    },
    {"start": "2026-05-01T20:12:00+00:00", "end": "2026-05-01T20:20:00+00:00", "title": "=HYPERLINK(\ud83c) harbour"},
)


@pytest.fixture(scope="module")
def site(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The application on loopback, with an as-run log of three rows."""
    log = tmp_path_factory.mktemp("log") / "as-run.jsonl"
    common = {"seconds": 600.0, "level": "item", "reason": "started", "key": "a" * 16}
    log.write_text("".join(json.dumps(common | row) + "\n" for row in ROWS) + '{"torn')
    with served(Program(clip), as_run=log) as site:
        yield site


def conform(site: Site, *, examples: int) -> int:
    """Run schemathesis as an operator with valid and invalid data; returns the number of requests."""
    import schemathesis  # noqa: PLC0415 - takes a second, of each process that only collects the tests
    from schemathesis import GenerationMode  # noqa: PLC0415 - the same
    from schemathesis.core.result import Ok  # noqa: PLC0415 - the same
    from schemathesis.specs.openapi.checks import ignored_auth  # noqa: PLC0415 - the same

    schema = schemathesis.openapi.from_url(f"{site.url}api/openapi.json", headers={"Host": "localhost"})
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        takes_data = bool(list(operation.iter_parameters())) or bool(operation.body)
        for mode in GenerationMode if takes_data else (GenerationMode.POSITIVE,):

            @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def try_it(case: Any) -> None:
                nonlocal asked
                asked += 1
                # Wrong tokens would lock this very address out: tests of access show them.
                case.call_and_validate(
                    headers={"Authorization": f"Bearer {OPERATOR}"}, excluded_checks=[ignored_auth], timeout=20
                )

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try_it()
    return asked


def test_the_document_is_true(site: Site) -> None:
    """Every answer fits the OpenAPI document, and invalid data is refused."""
    assert conform(site, examples=3) > 2 * len(COMMANDS)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_document_is_true_at_length(site: Site) -> None:
    """The same, two hundred times each."""
    assert conform(site, examples=200) > 1000


def test_the_document_has_every_verb_and_no_secret(site: Site) -> None:
    """A program finds each verb there by its method, with what it answers; looking at the document needs no token here."""
    document = PageVisitor(port=site.listener.port).ask("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1.")
    for name, verb in COMMANDS.items():
        path = document["paths"][f"/api/{name}"]
        assert {method.upper() for method in path} == set(methods_of(verb))
        for operation in path.values():
            assert operation["summary"] == verb.summary
            assert ({} in operation["security"]) == (not verb.for_operators)
    answer = document["paths"]["/api/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["result"] == {"$ref": "#/components/schemas/ServiceStatus"}
    assert "channel_state" in document["components"]["schemas"]["ServiceStatus"]["required"]


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("GET", "/api/nothing", None, None, 404),
        ("POST", "/api/status", b"", None, 405),
        ("GET", "/api/skip", None, None, 405),
        ("POST", "/api/slate", b"on=true", "application/x-www-form-urlencoded", 415),
        ("POST", "/api/slate", b"{", "application/json", 422),
        ("POST", "/api/slate", b"[" * 100_000, "application/json", 422),
        ("POST", "/api/slate", b"[]", "application/json", 422),
        ("POST", "/api/slate", b"{}", "application/json", 422),
        ("POST", "/api/slate", b'{"on": 1}', "application/json", 422),
        ("POST", "/api/slate?on=true", b"", None, 422),
        ("POST", "/api/queue_move", b'{"key": "a", "place": 99999999999999999999}', "application/json", 422),
        ("POST", "/api/queue_remove", b'{"key": "nothing-such"}', "application/json; charset=utf-8", 409),
        ("GET", "/api/search", None, None, 422),
        ("GET", "/api/search?words=a&words=b", None, None, 422),
        ("GET", "/api/as-run?limit=0", None, None, 422),
        ("GET", "/api/as-run?since=yesterday", None, None, 422),
        ("GET", "/api/as-run?level=moon", None, None, 422),
    ],
)
def test_errors_are_json(site: Site, method: str, path: str, body: bytes | None, kind: str | None, status: int) -> None:
    """Every error has the right status code, the reason and a remedy."""
    program = PageVisitor(port=site.listener.port, token=OPERATOR)
    answer = program.ask(path, method=method, body=body, headers={"Content-Type": kind})
    assert answer.status == status
    assert answer.json().keys() == {"ok", "error", "remedy"}
    assert answer.json()["error"]


def test_as_run_is_filtered(site: Site) -> None:
    """The as-run log is filtered by time, words and level, newest first; its CSV contains no formula."""
    reader = PageVisitor(port=site.listener.port)

    def titles(query: str) -> list[str]:
        rows = reader.ask(f"/api/as-run?{query}").json()["result"]
        return [row["title"] for row in rows]

    assert titles("")[1:] == ["", "Harbour at dawn"]
    assert titles("level=slate") == [""]
    assert titles("words=dawn%20HARBOUR") == ["Harbour at dawn"]
    assert titles("until=2026-05-01T20:05:00Z") == ["Harbour at dawn"]
    assert titles("since=2026-05-01T22:11:00%2B02:00&limit=1") == titles("limit=1")
    table = reader.ask("/api/as-run", headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["level"] for row in rows] == ["item", "slate", "item"]
    assert rows[0]["title"].startswith("'=HYPERLINK(")


def test_text_that_is_no_unicode_is_answered(site: Site) -> None:
    """A lone surrogate in JSON breaks nothing on its way in or out."""
    program = PageVisitor(port=site.listener.port, token=OPERATOR)
    answer = program.ask(
        "/api/queue_add", method="POST", body=b'{"line": "\\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.json()["result"]["text"]) == (200, "queued \ufffd")
    assert program.ask("/api/queue_list").json()["result"][-1]["title"] == "\ufffd"


def test_who_says_nothing_is_let_go(clip: Clip) -> None:
    """A client that sends its request byte by byte loses its connection."""
    with served(Program(clip), request_seconds=0.4) as site:
        with closing(socket.create_connection(("127.0.0.1", site.listener.port), timeout=60)) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            assert silent.recv(10) == b""
        with closing(socket.create_connection(("127.0.0.1", site.listener.port), timeout=60)) as silent:
            silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /")
            answer = b"".join(iter(lambda: silent.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 200")
