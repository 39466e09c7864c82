"""Uploads of a playlist file, valid and invalid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from stands import secrets
from stands.page import OPERATOR, VIEWER, Site, served
from stands.page_visitor import Answer, PageVisitor
from stands.program import Clip, Program
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.web.http_body import read_form

secrets.never_shown(OPERATOR, VIEWER)

LINE = "--between"


@pytest.fixture(scope="module")
def site(clip: Clip) -> Iterator[Site]:
    """The application on loopback."""
    with served(Program(clip)) as running:
        yield running


def form(**fields: bytes) -> bytes:
    """The body that a browser sends, with `text` as a file."""
    parts = []
    for name, value in fields.items():
        more = b'; filename="list.txt"\r\nContent-Type: text/plain' if name == "text" else b""
        parts.append(
            b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
            % (LINE.encode(), name.encode(), more, value)
        )
    return b"".join(parts) + b"--%s--\r\n" % LINE.encode()


def send(site: Site, body: bytes, *, token: str = OPERATOR) -> Answer:
    """The answer to this body."""
    who = PageVisitor(port=site.listener.port, token=token)
    headers = {"Content-Type": f"multipart/form-data; boundary={LINE}"}
    return who.ask("/playlist/upload", method="POST", body=body, headers=headers)


def test_the_file_comes_into_the_editor(site: Site) -> None:
    """The editor shows the file's text with normal line ends; nothing is saved."""
    answer = send(site, form(version=b"1", text="\ufeffone.mp4 | title=Ёлка <b>\r\ntwo.mp4".encode()))
    assert answer.status == 200
    assert "\none.mp4 | title=Ёлка &lt;b&gt;\ntwo.mp4</textarea>" in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"no form at all", 422),
        (form(text=b"caf\xe9.mp4"), 422),
        (form(text=b"x")[:-20], 422),
        (form(version=b"1", text=b"x").replace(b'name="version"', b'name="text"'), 422),
        (b"".join(form(**{f"n{number}": b""})[:-17] for number in range(40)) + form(text=b""), 422),
        (form(text=b"x" * (MAX_REQUEST_BYTES + 1)), 413),
    ],
    ids=["nothing", "text", "not-utf-8", "cut-off", "twice", "many", "too-large"],
)
def test_what_is_no_such_form_is_refused(site: Site, body: bytes, status: int) -> None:
    """A malformed, duplicate, oversized or binary file is refused with the reason, and the page still works."""
    assert send(site, body).status == status
    assert send(site, form(text=b"one.mp4")).status == 200


def test_only_operators_send_files(site: Site) -> None:
    """A viewer's file is refused, and so is one without the CSRF token."""
    assert send(site, form(text=b"one.mp4"), token=VIEWER).status == 403
    person = PageVisitor(port=site.listener.port)
    person.sign_in(OPERATOR)
    headers = {"Content-Type": f"multipart/form-data; boundary={LINE}"}
    assert person.ask("/playlist/upload", method="POST", body=form(text=b"one.mp4"), headers=headers).status == 403


@given(boundary=st.text(st.characters(codec="ascii"), max_size=80), body=st.binary(max_size=400))
def test_any_body_is_a_form_or_refused(boundary: str, body: bytes) -> None:
    """Any body with any content type gives fields or a refusal."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    kind = f"multipart/form-data; boundary={boundary}".encode("latin-1", "replace")
    app = SimpleNamespace(state=SimpleNamespace())
    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)], "app": app}, receive)
    try:
        status = 200 if isinstance(asyncio.run(read_form(request, limit=1000, with_file=True)), dict) else 0
    except RequestRefused as refusal:
        status = refusal.status
    assert status in {200, 415, 422}
