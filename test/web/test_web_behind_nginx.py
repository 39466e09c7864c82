"""The page behind the real nginx, with the very block that docs/access.md tells operators to write."""

from __future__ import annotations

import http.client
from functools import partial
from pathlib import Path

from structlog.testing import capture_logs

from stands.nginx_tls import example, nginx_before
from stands.page import OPERATOR, access_to, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program

DOCUMENT = Path(__file__).parents[2] / "docs" / "access.md"
NAME = "tv.example.org"


def test_a_person_signs_in_over_tls(clip: Clip, tmp_path: Path) -> None:
    """Nothing is seen before, the cookie is for TLS alone, changes work, a live stream flows, and the log has the far address."""
    with (
        Program(clip) as program,
        served(program, access=partial(access_to, behind_proxy=True), hosts=(NAME,)) as site,
        nginx_before(site.listener.port, example(DOCUMENT), tmp_path / "nginx", name=NAME) as (port, trusting),
        capture_logs() as logs,
    ):
        person = PageVisitor(port=port, host=f"{NAME}:{port}", tls=trusting)
        person.headers = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "http"}
        answer = person.ask("/queue", headers={"Accept": "text/html"})
        assert (answer.status, answer.headers["location"]) == (303, "/login?back=/queue")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert person.ask("/login").status == 200
        assert person.sign_in(OPERATOR).status == 200
        assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(person.set_cookie.split("; "))
        assert person.set_cookie.startswith("__Host-")
        assert person.ask("/").status == 200
        assert person.post("/actions/pause", headers={"Accept": "application/json"}).json()["ok"]
        assert site.channel.paused
        foreign = person.post(
            "/actions/resume", headers={"Accept": "application/json", "Origin": "https://evil.example"}
        )
        assert foreign.status == 403
        connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=trusting)
        cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
        connection.request("GET", "/preview/live.mp4", headers={"Host": person.host, "Cookie": cookie})
        stream = connection.getresponse()
        assert stream.read(20_000)[4:8] == b"ftyp"
        connection.close()
        assert person.post("/logout").status == 303
        assert person.ask("/status.json").status == 401
    told = {one["event"]: one["by"] for one in logs if "by" in one}
    assert told["signed in"] == "127.0.0.1", "the last hop as nginx saw it, and not what the client wrote"
