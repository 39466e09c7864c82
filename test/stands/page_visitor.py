"""A client of the pages and the API, with its own cookies and any headers."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from stands import secrets

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One response."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; of several with one name the last."""
    text: str

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(kw_only=True)
class PageVisitor:
    """One browser or program; each request has a connection of its own."""

    port: int
    host: str = ""
    """What the Host header says; empty: localhost with the port."""
    token: str = ""
    """Sent with each request, as programs do."""
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with each request."""
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    set_cookie: str = ""
    """The last Set-Cookie header."""

    @property
    def site(self) -> str:
        """The origin of the pages that this visitor sees."""
        return f"{'https' if self.tls else 'http'}://{self.host or f'localhost:{self.port}'}"

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """One request; a header that is None is not sent."""
        sent: dict[str, str | None] = {**self._who()}
        if method == "POST":
            sent["Origin"] = self.site
        sent |= headers or {}
        connection = self._connection()
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            with suppress(BrokenPipeError, ConnectionResetError):  # the service may answer before it has read all
                connection.endheaders(body)
            return self._answer(connection.getresponse())
        finally:
            connection.close()

    @contextmanager
    def watch(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request while it is still being sent."""
        connection = self._connection()
        try:
            connection.request("GET", path, headers=self._who())
            yield connection.getresponse()
        finally:
            connection.close()

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """A form of a page, with its CSRF token."""
        filled = ({"csrf": self.csrf} if self.csrf else {}) | dict(fields or {})
        return self.ask(
            path, method="POST", body=urlencode(filled).encode(), headers={"Content-Type": FORM} | dict(headers or {})
        )

    def call(self, path: str, values: Any = None, *, headers: Mapping[str, str | None] | None = None) -> Answer:
        """What a program posts: JSON."""
        body = b"" if values is None else json.dumps(values).encode()
        return self.ask(
            path, method="POST", body=body, headers={"Content-Type": "application/json"} | dict(headers or {})
        )

    def sign_in(self, token: str) -> Answer:
        """Sign in as a script does; the answer contains the CSRF token."""
        answer = self.post("/login", {"token": token}, headers={"Accept": "application/json"})
        if answer.status == 200:
            self.csrf = answer.json()["result"]["csrf"]
        return answer

    def _who(self) -> dict[str, str]:
        """The headers of each request."""
        sent = {"Host": self.host or f"localhost:{self.port}", **self.headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        return sent

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.tls)

    def _answer(self, response: http.client.HTTPResponse) -> Answer:
        for line in response.headers.get_all("set-cookie", []):
            self.set_cookie = line
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        text = response.read().decode("utf-8", "replace")
        secrets.look(text, "an answer of the page")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status, headers=headers, text=text)
