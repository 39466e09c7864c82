"""Who may look and who may change: sign-in, cookies, roles, and everything that others try."""

from __future__ import annotations

import asyncio
import hmac
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from structlog.testing import capture_logs

from stands import secrets
from stands.page import OPERATOR, TOKENS, VIEWER, Site, access_to, served
from stands.page_visitor import FORM, PageVisitor
from stands.program import Clip, Program
from stands.virtual_time import VirtualLoop, run_whole
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.commands import COMMANDS
from tg_video_streamer.control.socket.protocol import MAX_REQUEST_BYTES
from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.web.auth import client_address as hops
from tg_video_streamer.web.auth import sessions, tokens, wrong_tokens
from tg_video_streamer.web.auth.client_address import Client, TrustedProxies
from tg_video_streamer.web.auth.sessions import Sessions
from tg_video_streamer.web.auth.tokens import Tokens, ensure_token, exposure_problems, is_loopback, read_token
from tg_video_streamer.web.auth.visitor import Role
from tg_video_streamer.web.auth.wrong_tokens import WrongTokens

secrets.never_shown(OPERATOR, VIEWER)

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html"}
ARGUMENTS = {bool: "true", int: "0", str: "1"}
"""By type."""
"""What verbs are sent here; every other argument is a short text."""


class Stopped:
    """A clock that stands where it was put."""

    now = 1000.0

    def monotonic(self) -> float:
        """See Clock."""
        return self.now

    def wall(self) -> float:
        """See Clock."""
        return 1_700_000_000.0 + self.now


@pytest.fixture(scope="module")
def home(clip: Clip) -> Iterator[Site]:
    """The application on loopback, next to a program that stands still."""
    with served(Program(clip), body_seconds=0.5) as site:
        yield site


@pytest.fixture(scope="module")
def abroad(clip: Clip) -> Iterator[Site]:
    """The application behind a proxy, for names of its own."""
    with served(Program(clip), access=partial(access_to, behind_proxy=True), hosts=("tv.example",)) as site:
        yield site


def visitor(site: Site, *, token: str = "", signed_in: str = "") -> PageVisitor:
    """Somebody new; `signed_in` with a token, or with one shown at each request."""
    found = PageVisitor(port=site.listener.port, token=token)
    if signed_in:
        assert found.sign_in(signed_in).status == 200
    return found


def fields_of(verb: str) -> dict[str, str]:
    """Arguments that the verb takes."""
    return {name: ARGUMENTS[kind] for name, kind in COMMANDS[verb].arguments.items()}


def do(who: PageVisitor, verb: str) -> int:
    """How the page answers to a verb: 409 and 200 both mean that he may."""
    return who.post(f"/actions/{verb}", fields_of(verb), headers=JSON).status


def call(who: PageVisitor, verb: str) -> int:
    """How the API answers to a verb."""
    if not COMMANDS[verb].changes:
        query = "&".join(f"{name}={value}" for name, value in fields_of(verb).items())
        return who.ask(f"/api/{verb}?{query}").status
    kinds = COMMANDS[verb].arguments
    values = {name: {bool: True, int: 0}.get(kinds[name], text) for name, text in fields_of(verb).items()}
    return who.call(f"/api/{verb}", values, headers={"X-CSRF": who.csrf}).status


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_is_for_those_who_may(home: Site, abroad: Site, verb: str) -> None:
    """An operator may do all, a viewer is refused all that is for operators, and behind a proxy no one sees anything."""
    carried_out = {200, 409, 500}
    refused_to_viewer = {403} if COMMANDS[verb].for_operators else carried_out
    refused_without_token = {401} if COMMANDS[verb].for_operators else carried_out
    for ask in (do, call):
        for site in (home, abroad):
            for operator in (visitor(site, token=OPERATOR), visitor(site, signed_in=OPERATOR)):
                assert ask(operator, verb) in carried_out
            for viewer in (visitor(site, token=VIEWER), visitor(site, signed_in=VIEWER)):
                assert ask(viewer, verb) in refused_to_viewer
        assert ask(visitor(home), verb) in refused_without_token
        assert ask(visitor(abroad), verb) == 401


def test_nobody_sees_anything_behind_a_proxy(abroad: Site) -> None:
    """A person is led to the sign-in page, a program gets 401, and the health check says no more than whether."""
    nobody = visitor(abroad)
    answer = nobody.ask("/queue?page=2", headers=PAGE)
    assert (answer.status, answer.headers["location"]) == (303, "/login?back=/queue%3Fpage%3D2")
    for path in ("/", "/status.json", "/preview/live.m3u8", "/preview/live.mp4", "/api/status", "/api/openapi.json"):
        answer = nobody.ask(path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "Harbour" not in answer.text
    assert nobody.ask("/healthz").text == "ok\n"
    assert nobody.ask("/login").status == 200
    assert visitor(abroad, signed_in=VIEWER).ask("/status.json").status == 200
    assert visitor(abroad, token=VIEWER).ask("/status.json").status == 200


def test_health_gives_no_reasons_to_nobody(abroad: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visitor without rights learns that something is wrong, and not what the outputs are called."""
    monkeypatch.setattr(
        abroad, "status", replace(abroad.status, healthy=False, problems=(Message.raw("output secret-studio"),))
    )
    answer = visitor(abroad).ask("/healthz")
    assert (answer.status, answer.text) == (503, "not healthy\n")
    assert "secret-studio" in visitor(abroad, token=VIEWER).ask("/healthz").text


def test_a_proxy_that_is_not_told_of_opens_nothing(home: Site) -> None:
    """A page for this host alone, passed on by a forgotten proxy, asks for a token: its visitors are not this host's."""
    outside = visitor(home)
    outside.headers = {"X-Forwarded-For": "203.0.113.9"}
    assert outside.ask("/status.json").status == 401
    assert visitor(home).ask("/status.json").status == 200


def test_the_cookie_is_for_this_site_alone(home: Site, abroad: Site) -> None:
    """No script reads the cookie, no foreign page sends it, and behind TLS it never leaves it."""
    at_home = visitor(home, signed_in=OPERATOR).set_cookie
    behind_tls = visitor(abroad, signed_in=OPERATOR).set_cookie
    for cookie in (at_home, behind_tls):
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    assert "Secure" not in at_home
    assert "Secure" in behind_tls.split("; ")
    assert behind_tls.startswith("__Host-")
    assert str(home.listener.port) in at_home.partition("=")[0]


def test_a_person_signs_in_and_out_again(home: Site) -> None:
    """The form leads back to where one was, a sign-out ends the cookie for good, and the log has both, without the token."""
    person = visitor(home)
    page = person.ask("/login?back=/queue", headers=PAGE | {"Accept-Language": "ru-RU,ru;q=0.9"})
    assert 'name="back" value="/queue"' in page.text
    assert 'lang="ru"' in page.text
    with capture_logs() as logs:
        answer = person.post("/login", {"token": OPERATOR, "back": "/queue"}, headers=PAGE)
        assert (answer.status, answer.headers["location"]) == (303, "/queue")
        kept = dict(person.cookies)
        csrf = visitor(home, signed_in=OPERATOR).csrf
        assert person.post("/logout", {"csrf": csrf}).status == 403, "somebody else's proof"
        person.csrf = person.sign_in(OPERATOR).json()["result"]["csrf"]
        again = dict(person.cookies)
        assert person.post("/logout").status == 303
    assert not person.cookies
    for old in (kept, again):
        person.cookies = dict(old)
        assert do(person, "skip") == 401
    told = [(one["event"], one.get("by", "")) for one in logs]
    assert ("signed in", "127.0.0.1") in told
    assert ("signed out", "operator from 127.0.0.1") in told


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "/\n/e"]
)
def test_nobody_is_led_elsewhere(home: Site, back: str) -> None:
    """A link to our sign-in cannot lead on to a foreign page."""
    answer = visitor(home).post("/login", {"token": OPERATOR, "back": back}, headers=PAGE)
    assert (answer.status, answer.headers["location"]) == (303, "/")


FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": None},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_changes_nothing(home: Site, headers: dict[str, str | None]) -> None:
    """A page of somebody else that posts to us with the operator's cookie is refused, and so is one that signs him in."""
    operator = visitor(home, signed_in=OPERATOR)
    assert operator.post("/actions/pause", headers=JSON | headers).status == 403
    assert operator.call("/api/pause", headers=headers | {"X-CSRF": operator.csrf}).status == 403
    assert operator.post("/logout", headers=headers).status == 403
    assert visitor(home).post("/login", {"token": OPERATOR}, headers=JSON | headers).status == 403
    assert not home.channel.paused


@pytest.mark.parametrize("csrf", ["", "x", "й", "\udcff"])
def test_a_form_without_its_proof_changes_nothing(home: Site, csrf: str) -> None:
    """The cookie alone is not enough, whatever stands where the proof should."""
    operator = visitor(home, signed_in=OPERATOR)
    operator.csrf = ""
    body = b"csrf=" + csrf.encode("utf-8", "surrogateescape")
    answer = operator.ask("/actions/pause", method="POST", body=body, headers=JSON | {"Content-Type": FORM})
    assert answer.status in {403, 422}
    assert operator.call("/api/pause", {}).status == 403
    assert not home.channel.paused


def test_a_page_tells_once_what_became_of_a_change(home: Site) -> None:
    """A form leads back to its page; the service's words wait there for it, and never stand in an address."""
    operator = visitor(home, signed_in=OPERATOR)
    answer = operator.post("/actions/queue_remove", {"key": "nothing-such", "back": "/queue"}, headers=PAGE)
    assert (answer.status, answer.headers["location"]) == (303, "/queue")
    answer = operator.post("/actions/queue_add", {"line": "song.mp4", "back": "/queue"}, headers=JSON)
    assert answer.json()["result"]["text"] == "queued song.mp4"
    answer = operator.post("/actions/slate", {"on": "perhaps"}, headers=JSON)
    assert answer.status == 422
    assert answer.json()["error"]["text"] == "on must be on or off"


@pytest.mark.parametrize("name", ["token", "x"])
@pytest.mark.parametrize("path", ["/", "/status.json", "/api/status", "/login", "/healthz"])
def test_a_token_in_an_address_is_refused(home: Site, path: str, name: str) -> None:
    """Addresses stay in histories and in the logs of proxies: a token there opens nothing, and the log does not have it."""
    with capture_logs() as logs:
        answer = visitor(home).ask(f"{path}?{name}={OPERATOR}")
    assert answer.status == 400
    assert OPERATOR not in answer.text + str(logs)
    assert "URL" in logs[0]["event"]


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/preview/../../.env", "/page.css/../../app.py"),
        *(
            "/api/..%2f..%2fweb-token",
            "/actions/%2e%2e%2fskip",
            "/static/..%2f..%2f..%2fetc/passwd",
            "/%00",
            "//etc/passwd",
        ),
    ],
)
def test_no_path_leads_out(home: Site, path: str) -> None:
    """No address reads another file than those that are meant."""
    for method in ("GET", "POST"):
        answer = visitor(home, token=OPERATOR).ask(path, method=method)
        assert answer.status in {404, 405, 400}
        assert "root:" not in answer.text


def test_what_is_too_large_is_not_read(home: Site) -> None:
    """An upload beyond the limit is refused by its length, before a byte of it; one that hides its length, at the limit."""
    operator = visitor(home, token=OPERATOR)
    with socket.create_connection(("127.0.0.1", home.listener.port), timeout=60) as connection:
        head = f"POST /api/playlist_save HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
        connection.sendall(f"{head}Content-Length: {MAX_REQUEST_BYTES + 1}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    hidden = b"%x\r\n" % (MAX_REQUEST_BYTES + 1) + b"a" * (MAX_REQUEST_BYTES + 1)
    with socket.create_connection(("127.0.0.1", home.listener.port), timeout=60) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + hidden)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert operator.post("/login", {"token": "x" * 20_000}, headers=JSON).status == 413
    assert (
        operator.ask("/actions/skip", method="POST", body=b"{}", headers={"Content-Type": "text/plain"}).status == 415
    )


def test_a_body_that_drips_is_ended(home: Site) -> None:
    """A client that sends a byte now and then does not hold its place."""
    with socket.create_connection(("127.0.0.1", home.listener.port), timeout=60) as connection:
        head = f"POST /api/slate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{{".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("host", ["evil.example", "tv.example.evil.example", "localhost@evil.example", ""])
def test_a_foreign_name_is_refused_before_everything(abroad: Site, host: str) -> None:
    """DNS rebinding: a name that is not ours gets nothing, with a token either."""
    rebound = visitor(abroad, token=OPERATOR)
    rebound.host = host or " "
    assert rebound.post("/actions/pause", headers=JSON).status in {400, 421}
    assert rebound.ask("/status.json").status in {400, 421}
    known = visitor(abroad, token=OPERATOR)
    known.host = "TV.example"
    assert known.ask("/status.json").status == 200


def test_guesses_lock_no_one_out(clip: Clip) -> None:
    """After five wrong tokens each further one waits for its answer; the right one is taken at once, from the same address too."""
    with (
        served(Program(clip), access=partial(access_to, behind_proxy=True)) as site,
        capture_logs() as logs,
    ):
        guesser = visitor(site)
        guesser.headers = {"X-Forwarded-For": "198.51.100.7, 203.0.113.66"}
        answers = [guesser.post("/login", {"token": f"guess number {n}"}, headers=JSON) for n in range(6)]
        assert [answer.status for answer in answers] == [401] * 5 + [429]
        assert answers[-1].headers["retry-after"] == "1"
        assert guesser.sign_in(OPERATOR).status == 200
        assert PageVisitor(port=guesser.port, token=VIEWER[:-1]).ask("/status.json").status == 401, "another client"
        guesser.headers = {"X-Forwarded-For": "192.0.2.99, 203.0.113.66"}
        answer = guesser.post("/login", {"token": "one more"}, headers=JSON)
        assert answer.headers["retry-after"] == "2", "only the last hop counts: the rest is what he says himself"
    wrong = [one for one in logs if one["event"] == "wrong token"]
    assert [one["by"] for one in wrong].count("203.0.113.66") == 5, "the log does not grow with each guess"
    assert "guess number" not in str(logs)


def test_a_cookie_ends_with_its_token(clip: Clip) -> None:
    """When a token is changed, its sessions end at once, and those of the other token continue."""
    now = [TOKENS]
    with served(Program(clip), access=partial(access_to, tokens=lambda: now[0])) as site:
        operator, viewer = visitor(site, signed_in=OPERATOR), visitor(site, signed_in=VIEWER)
        now[0] = Tokens(operator="another-token-of-the-operator", viewer=VIEWER)
        assert do(operator, "skip") == 401
        assert do(viewer, "skip") == 403


ONE = Client("127.0.0.1", "192.0.2.1")


def test_delay_grows_and_is_forgotten() -> None:
    """Each further wrong token doubles the delay up to eight seconds; ten quiet minutes forget it; the log gets ever fewer."""
    clock = Stopped()
    guesses = WrongTokens(clock)
    failures = [guesses.failed(ONE) for _ in range(2000)]
    assert [one.delay_seconds for one in failures[:10]] == [0, 0, 0, 0, 0, 1, 2, 4, 8, 8]
    assert failures[-1].delay_seconds == wrong_tokens.LONGEST_DELAY_SECONDS
    assert sum(one.is_logged for one in failures) == 13
    assert guesses.failed(Client("127.0.0.1", "192.0.2.2")).delay_seconds == 0
    clock.now += wrong_tokens.RESET_SECONDS + 1
    assert guesses.failed(ONE).delay_seconds == 0


def test_waiting_answers_are_bounded() -> None:
    """So many answers wait and no more: the connections of others are not used up by those who guess."""

    async def guess(_clock: VirtualLoop) -> None:
        guesses = WrongTokens(Stopped())
        others = [Client("127.0.0.1", f"192.0.2.{number}") for number in range(10)]
        waited = await asyncio.gather(*(guesses.wait(one, 8.0) for one in others for _ in range(6)))
        assert [waited.count(True), waited[:6].count(True)] == [16, 4]
        assert await guesses.wait(others[0], 8.0)

    run_whole(guess)


def test_a_network_of_addresses_is_one_client() -> None:
    """A host may take any IPv6 address of its /64: they count as one; a mapped IPv4 address counts as what it is."""
    assert hops.network_of("2001:db8:0:1::5") == hops.network_of("2001:db8:0:1:ffff::1")
    assert hops.network_of("2001:db8:0:1::5") != hops.network_of("2001:db8:0:2::5")
    assert hops.network_of("::ffff:192.0.2.1") == "192.0.2.1"


def test_sessions_end_by_themselves() -> None:
    """Unused for twelve hours, or a week old however much used: sign in again; and there is room for so many only."""
    clock = Stopped()
    open_ones = Sessions(clock)
    idle, _ = open_ones.begin(Role.VIEWER, TOKENS)
    clock.now += sessions.IDLE_SECONDS + 1
    assert open_ones.find(idle, TOKENS) is None
    used, session = open_ones.begin(Role.OPERATOR, TOKENS)
    began = clock.now
    while clock.now - began + sessions.IDLE_SECONDS <= sessions.MAX_SECONDS:
        clock.now += sessions.IDLE_SECONDS
        assert open_ones.find(used, TOKENS) is session
    clock.now += sessions.IDLE_SECONDS
    assert open_ones.find(used, TOKENS) is None


def test_sign_ins_of_viewers_end_no_operator() -> None:
    """There is room for so many sign-ins of each role: a further one ends the least used one of its own role."""
    clock = Stopped()
    open_ones = Sessions(clock)
    operator, _ = open_ones.begin(Role.OPERATOR, TOKENS)
    first, ended = open_ones.begin(Role.VIEWER, TOKENS)
    for _ in range(sessions.MAX_SESSIONS_PER_ROLE):
        clock.now += 1
        last, _ = open_ones.begin(Role.VIEWER, TOKENS)
    assert open_ones.find(first, TOKENS) is None
    assert ended.ended, "its open streams end too"
    assert open_ones.find(last, TOKENS) is not None
    assert open_ones.find(operator, TOKENS) is not None


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison of a token and of a proof goes through the one that takes the same time whatever differs."""
    compared = []

    def noting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", noting)
    assert TOKENS.role_of("o") == "anonymous"
    assert TOKENS.role_of(OPERATOR) == "operator"
    assert TOKENS.role_of(VIEWER) == "viewer"
    assert compared == [(32, 32)] * 6, "both tokens each time, as digests of one length"
    assert Tokens(operator="").role_of("") == "anonymous"


@given(st.text(), st.text())
def test_any_two_words_are_compared(one: str, other: str) -> None:
    """No text, however odd, breaks the comparison."""
    assert tokens.same(one, other) == (one == other)


def test_the_token_is_made_once_and_kept(tmp_path: Path) -> None:
    """The first start makes it for its owner alone; later ones find it, and close a file that was opened to others."""
    word, made = ensure_token(tmp_path)
    assert made
    assert len(word) >= 40
    path = tmp_path / "web-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_token(tmp_path) == (word, False)
    path.chmod(0o644)
    assert ensure_token(tmp_path) == (word, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short\n")
    again, made = ensure_token(tmp_path)
    assert made
    assert read_token(tmp_path) == again != word
    assert [file.name for file in tmp_path.iterdir()] == ["web-token"], "nothing half-made is left"


def test_a_link_in_place_of_the_token_is_not_followed(tmp_path: Path) -> None:
    """No one makes the service take a foreign token, or write one elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("a-token-that-somebody-knows\n")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "web-token").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        ensure_token(folder)


@pytest.mark.parametrize(
    ("host", "token", "behind_proxy", "problems"),
    [
        ("127.0.0.1", "", False, 0),
        ("127.8.8.8", "", False, 0),
        ("::1", "", False, 0),
        ("localhost", "", False, 0),
        ("127.0.0.1", "", True, 0),
        ("0.0.0.0", "", False, 2),
        ("0.0.0.0", "t" * 16, False, 1),
        ("0.0.0.0", "", True, 1),
        ("0.0.0.0", "t" * 16, True, 0),
        ("192.0.2.1", "", False, 2),
        ("::", "", False, 2),
        ("tv.example", "", False, 2),
        ("localhost.evil.example", "", False, 2),
    ],
)
def test_others_need_a_token_and_tls(host: str, token: str, behind_proxy: bool, problems: int) -> None:  # noqa: FBT001 - a table's column
    """The service refuses to start where others could reach the page without a token, or send it in the clear."""
    found = exposure_problems(host, token=token, viewer_token="", behind_proxy=behind_proxy)
    assert len(found) == problems
    assert is_loopback(host) or problems or (token and behind_proxy)
    assert all(line.startswith("WEB_HOST: ") for line in found)


def test_viewers_need_another_token() -> None:
    """One token for both would make every viewer an operator."""
    assert exposure_problems("127.0.0.1", token="a" * 16, viewer_token="a" * 16, behind_proxy=False)


def request(**headers: str) -> Request:
    """What a route would get."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "client": ("192.0.2.50", 5000)})


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, unknown", "192.0.2.50"),
        ("", "192.0.2.50"),
    ],
)
def test_the_last_hop_is_believed_behind_a_proxy_alone(forwarded: str, address: str) -> None:
    """What our proxy put down counts; what the client says, and what comes without a proxy of ours, does not."""
    sent = request(x_forwarded_for=forwarded)
    assert hops.client_address(sent, proxies=TrustedProxies(["192.0.2.0/24"])) == address
    assert hops.client_address(sent, proxies=TrustedProxies()) == "192.0.2.50"
    assert hops.client_address(sent, proxies=None) == "192.0.2.50"


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255)))
def test_any_origin_is_foreign_or_ours(origin: str, host: str) -> None:
    """No header, however odd, breaks the check, and none but our own name passes it."""
    if not hops.is_foreign(request(origin=origin, host=host)):
        assert origin.lower().startswith(("http://", "https://"))


def test_a_token_is_not_taken_without_tls() -> None:
    """Behind a proxy that speaks plain http with browsers, a token would cross the network in the clear: it is refused."""
    access = access_to(port=1, behind_proxy=True, clock=SystemClock())
    plain = request(host="tv.example", origin="http://tv.example", x_forwarded_proto="http")
    with pytest.raises(RequestRefused, match="https"):
        access.sign_in(plain, OPERATOR)
