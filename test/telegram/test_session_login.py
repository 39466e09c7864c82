"""Getting a session at a real terminal from a real (loopback) Telegram: code, password, QR code; written or printed."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import segno

from stands.person import Person, at_a_terminal
from stands.service import COMMAND
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import (
    API_HASH,
    CODE,
    GROUP_ID,
    OTHER_DC,
    PASSWORD,
    PHONE,
    SECOND_PHONE,
    SECOND_USER_ID,
    USER_ID,
)
from stands.waiting import wait_until
from tg_video_streamer.cli.prompt import qr_lines
from tg_video_streamer.envfile.read import read_env_file
from tg_video_streamer.telegram.client.session_string import masked, read_session_string
from tg_video_streamer.telegram.session.login import token_seconds

PHONE_PROMPT, CODE_PROMPT, PASSWORD_PROMPT = "Phone number", "(r: send another): ", "two-step verification"


@pytest.fixture
def stand(telegram: TelegramStand) -> Iterator[TelegramStand]:
    """The same, without logins and second factors."""
    yield telegram
    telegram.do(telegram.world.keys.clear)
    telegram.do(telegram.world.login_tokens.clear)
    telegram.do(telegram.world.injected.clear)
    telegram.world.clock_offset = 0.0
    for user_id in (USER_ID, SECOND_USER_ID):
        telegram.user(user_id).password = None


@pytest.fixture
def env_file(stand: TelegramStand, tmp_path: Path) -> Path:
    """Settings that lead to the stand, with a comment, and an old session."""
    path = tmp_path / ".env"
    lines = [f"{key}={value}" for key, value in stand.settings("old").items()]
    path.write_text("# mine\n" + "\n".join(lines) + "\nUNKNOWN='kept'\n")
    path.chmod(0o600)
    return path


def _login(env_file: Path, *options: str) -> AbstractContextManager[Person]:
    return at_a_terminal([COMMAND, "session", "login", *options], folder=env_file.parent)


def _types_phone_and_code(person: Person, phone: str = PHONE) -> None:
    person.waits_for(PHONE_PROMPT)
    person.types(phone)
    person.waits_for(CODE_PROMPT)
    person.types(CODE)


def _session(env_file: Path, key: str = "SESSION_STRING") -> str:
    return read_env_file(env_file).values[key]


def _owner(stand: TelegramStand, session: str) -> int | None:
    """Who is logged in with the key of a session string, as Telegram knows it."""
    known = read_session_string(session)
    found = [key for key in stand.world.keys.values() if key.key == known.key and key.dc == known.dc_id]
    return found[0].user_id if found else None


def _no_secret(person: Person, env_file: Path, *more: str) -> None:
    """Nothing on the terminal that must not be there, and nothing left in the folder."""
    for secret in (API_HASH, PASSWORD, "wrong password", *more):
        assert secret not in person.seen
    names = {path.name for path in env_file.parent.iterdir()}
    assert names <= {".env", ".env.lock", ".env.bak"}


def test_a_key_exchange_that_fails_by_chance_is_repeated(stand: TelegramStand, env_file: Path) -> None:
    """One new key in 256 is not understood by Telethon: the person logging in does not notice."""
    stand.world.exchanges_to_spoil = 1
    with _login(env_file, "--write-env") as person:
        _types_phone_and_code(person)
        code, _ = person.ends()
    assert (code, stand.world.exchanges_to_spoil) == (0, 0), person.seen


def test_a_login_with_code_and_password_is_written(stand: TelegramStand, env_file: Path) -> None:
    """Wrong code, another one, wrong password, right ones: the new session is in the file, and nothing secret is seen."""
    stand.user().password = PASSWORD
    with _login(env_file, "--write-env") as person:
        person.waits_for(PHONE_PROMPT)
        person.types("nonsense")
        assert "country code" in person.waits_for(PHONE_PROMPT)
        person.types("+1 999")
        assert "no such number" in person.waits_for(PHONE_PROMPT)
        person.types(f"+{PHONE}")
        assert "in the Telegram app" in person.waits_for(CODE_PROMPT)
        person.types("r")
        assert "by SMS" in person.waits_for(CODE_PROMPT)
        person.types("54321")
        assert "not the code" in person.waits_for(CODE_PROMPT)
        person.types(CODE)
        person.waits_for(PASSWORD_PROMPT)
        assert person.waits_for(": ") == " (hint"
        assert person.waits_for(": ") == "the usual one)"
        person.types("wrong password")
        assert "not the password" in person.waits_for(PASSWORD_PROMPT)
        person.waits_for(": ")
        person.types(PASSWORD)
        code, out = person.ends()
    session = _session(env_file)
    assert code == 0, person.seen
    assert out == f"SESSION_STRING={masked(session)}\n"
    assert re.fullmatch(r"SESSION_STRING=\*\*\*\.\.\..{4}\n", out)
    assert _owner(stand, session) == USER_ID
    _no_secret(person, env_file, session)
    text = env_file.read_text()
    assert text.startswith("# mine\n")
    assert text.endswith("UNKNOWN='kept'\n")
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_without_a_place_to_keep_it_the_string_is_all_that_stdout_gets(stand: TelegramStand, env_file: Path) -> None:
    """`SESSION=$(tg-video-streamer session login)` holds the string and nothing else; no file changes."""
    before = env_file.read_bytes()
    with _login(env_file) as person:
        _types_phone_and_code(person)
        code, out = person.ends()
    assert code == 0, person.seen
    assert out.count("\n") == 1
    assert _owner(stand, out.strip()) == USER_ID
    assert env_file.read_bytes() == before
    _no_secret(person, env_file, out.strip())


def test_renewing_tells_of_the_session_before(stand: TelegramStand, env_file: Path) -> None:
    """The old session is left to a service that still runs with it, and a message says where to end it."""
    old = stand.session_string()
    env_file.write_text(env_file.read_text().replace("SESSION_STRING=old", f"SESSION_STRING={old}"))
    with _login(env_file, "--write-env") as person:
        _types_phone_and_code(person)
        code, _ = person.ends()
    assert code == 0, person.seen
    assert _session(env_file) != old
    assert f"before it ({masked(old)}) was not ended" in person.seen
    assert "Settings, Devices" in person.seen
    assert _owner(stand, old) == USER_ID
    _no_secret(person, env_file, old)


def test_a_phone_of_another_data_center_is_followed_there(stand: TelegramStand, env_file: Path) -> None:
    """PHONE_MIGRATE leads to the account's own data center, which the session then names; it works there."""
    with _login(env_file, "--write-env") as person:
        _types_phone_and_code(person, SECOND_PHONE)
        code, _ = person.ends()
    assert code == 0, person.seen
    assert read_session_string(_session(env_file)).dc_id == OTHER_DC
    assert _owner(stand, _session(env_file)) == SECOND_USER_ID


def test_a_code_that_expired_is_sent_anew(stand: TelegramStand, env_file: Path) -> None:
    """PHONE_CODE_EXPIRED is reported, and another code requested."""
    stand.inject("auth.signIn", (400, "PHONE_CODE_EXPIRED"))
    with _login(env_file, "--write-env") as person:
        _types_phone_and_code(person)
        assert "a new one is on its way" in person.waits_for(CODE_PROMPT)
        person.types(CODE)
        assert person.ends()[0] == 0, person.seen


def test_a_person_may_take_long_although_the_connection_does_not(stand: TelegramStand, env_file: Path) -> None:
    """A connection that breaks while the person looks for the code is reopened with the same key."""
    with _login(env_file, "--write-env") as person:
        person.waits_for(PHONE_PROMPT)
        person.types(PHONE)
        person.waits_for(CODE_PROMPT)
        stand.drop()
        wait_until(lambda: stand.connections == 0, what="the connection gone")
        person.types(CODE)
        assert person.ends()[0] == 0, person.seen
    assert _owner(stand, _session(env_file)) == USER_ID


@pytest.mark.parametrize(
    ("method", "fault", "reason"),
    [
        ("auth.sendCode", (400, "API_ID_INVALID"), "does not accept API_ID and API_HASH"),
        pytest.param("auth.sendCode", (420, "FLOOD_WAIT_3600"), "asks to wait until", marks=pytest.mark.long),
        pytest.param("auth.sendCode", (400, "PHONE_NUMBER_BANNED"), "PHONE_NUMBER_BANNED", marks=pytest.mark.long),
        ("auth.signIn", (400, "PHONE_NUMBER_UNOCCUPIED"), "PHONE_NUMBER_UNOCCUPIED"),
    ],
)
def test_a_refusal_ends_with_its_reason_in_one_line(
    stand: TelegramStand, env_file: Path, method: str, fault: tuple[int, str], reason: str
) -> None:
    """Exit code 1, one line that says why, and a settings file as it was."""
    before = env_file.read_bytes()
    stand.inject(method, fault)
    with _login(env_file, "--write-env") as person:
        person.waits_for(PHONE_PROMPT)
        person.types(PHONE)
        if method == "auth.signIn":
            person.waits_for(CODE_PROMPT)
            person.types(CODE)
        code, out = person.ends()
    assert (code, out) == (1, "")
    (line,) = re.findall(r"tg-video-streamer: (.*)\r\n", person.seen)
    assert reason in line
    assert "Traceback" not in person.seen
    assert env_file.read_bytes() == before
    _no_secret(person, env_file)


def test_ctrl_c_ends_it_at_once_and_shows_the_terminal_again(stand: TelegramStand, env_file: Path) -> None:
    """Ctrl-C at the hidden prompt: exit code 1, nothing written, and the terminal echoes again."""
    stand.user().password = PASSWORD
    before = env_file.read_bytes()
    with _login(env_file, "--write-env") as person:
        _types_phone_and_code(person)
        person.waits_for(PASSWORD_PROMPT)
        person.waits_for(": ")
        person.presses_ctrl_c()
        code, out = person.ends()
        echoes = person.echoes()
    assert (code, out) == (1, "")
    assert "stopped, and nothing was written" in person.seen
    assert echoes
    assert env_file.read_bytes() == before


def test_a_session_that_cannot_be_kept_is_ended_again(stand: TelegramStand, env_file: Path) -> None:
    """A settings file that cannot be written any longer: the reason, the old file, and no session left at Telegram."""
    before = env_file.read_bytes()
    with _login(env_file, "--write-env") as person:
        person.waits_for(PHONE_PROMPT)
        person.types(PHONE)
        person.waits_for(CODE_PROMPT)
        (env_file.parent / ".env.new").mkdir()  # no file can be made there
        person.types(CODE)
        code, out = person.ends()
    assert (code, out) == (1, "")
    assert "cannot be written" in person.seen
    assert env_file.read_bytes() == before
    assert [key.user_id for key in stand.world.keys.values()] == [None]
    assert stand.asked("auth.logOut")


def test_a_file_that_cannot_be_written_is_told_before_the_person_has_any_trouble(env_file: Path) -> None:
    """The way is tried first."""
    (env_file.parent / ".env.lock").mkdir()
    with _login(env_file, "--write-env") as person:
        code, _ = person.ends()
    assert code == 1
    assert "cannot be written" in person.seen
    assert PHONE_PROMPT not in person.seen


def test_api_id_and_hash_are_asked_for_and_kept(stand: TelegramStand, env_file: Path) -> None:
    """A settings file without them is completed; the hash is not shown."""
    lines = [line for line in env_file.read_text().splitlines() if not line.startswith("API_")]
    env_file.write_text("\n".join(lines))
    with _login(env_file, "--write-env") as person:
        person.waits_for("API_ID")
        person.types("many")
        person.waits_for("it is a number".capitalize())
        person.types("12345")
        person.waits_for("API_HASH, from the same page: ")
        person.types(API_HASH)
        _types_phone_and_code(person)
        assert person.ends()[0] == 0, person.seen
    found = read_env_file(env_file).values
    assert (found["API_ID"], found["API_HASH"]) == ("12345", API_HASH)
    _no_secret(person, env_file)
    assert _owner(stand, found["SESSION_STRING"]) == USER_ID


def test_a_spare_takes_its_own_place(stand: TelegramStand, env_file: Path) -> None:
    """--spare leaves SESSION_STRING alone; one of another account is refused and ended."""
    own = stand.kurigram_session_string()
    env_file.write_text(env_file.read_text().replace("SESSION_STRING=old", f"SESSION_STRING={own}"))
    for phone, expected in ((PHONE, 0), (SECOND_PHONE, 1)):
        with _login(env_file, "--write-env", "--spare") as person:
            _types_phone_and_code(person, phone)
            code, out = person.ends()
        assert code == expected, person.seen
        assert out == (
            f"SESSION_STRING_SPARE={masked(_session(env_file, 'SESSION_STRING_SPARE'))}\n" if not code else ""
        )
        assert _session(env_file) == own
        assert _owner(stand, _session(env_file, "SESSION_STRING_SPARE")) == USER_ID
    assert "another account" in person.seen
    assert SECOND_USER_ID not in [key.user_id for key in stand.world.keys.values()]


def _drawn_code(seen: str) -> list[str]:
    """The last code on the terminal: its lines with their colours."""
    lines = [line.strip("\r") for line in seen.split("\n")]
    drawn = [line[line.index("\x1b[30;107m") :] for line in lines if "\x1b[30;107m" in line]
    return drawn[-len(qr_lines("tg://login?token=" + "x" * 32, colours=True)) :]


def _url(token: bytes) -> str:
    return f"tg://login?token={base64.urlsafe_b64encode(token).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("user_id", "password"),
    [
        (USER_ID, None),
        pytest.param(USER_ID, PASSWORD, marks=pytest.mark.long),
        pytest.param(SECOND_USER_ID, None, marks=pytest.mark.long),
        (SECOND_USER_ID, PASSWORD),
    ],
)
def test_a_scanned_code_logs_in(stand: TelegramStand, env_file: Path, user_id: int, password: str | None) -> None:
    """The phone scans what is drawn: accounts of this and of another data center, with and without a password."""
    stand.user(user_id).password = password
    with _login(env_file, "--qr", "--write-env") as person:
        person.waits_for("Link Desktop Device")
        (shown,) = stand.world.login_tokens
        assert _drawn_code(person.seen) == qr_lines(_url(shown.token), colours=True)
        stand.scan(shown.token, user_id)
        if password is not None:
            person.waits_for(PASSWORD_PROMPT)
            person.waits_for(": ")
            person.types(password)
        code, out = person.ends()
    assert code == 0, person.seen
    session = _session(env_file)
    assert out == f"SESSION_STRING={masked(session)}\n"
    assert _owner(stand, session) == user_id
    assert read_session_string(session).dc_id == stand.user(user_id).dc
    _no_secret(person, env_file, session)


def test_a_code_that_nobody_scanned_in_time_is_drawn_anew(stand: TelegramStand, env_file: Path) -> None:
    """A code lives for half a minute: the next one stands in its place, and the old one counts no longer."""
    stand.world.clock_offset = -24.0  # so that only six of the thirty seconds are left by our clock
    with _login(env_file, "--qr", "--write-env") as person:
        person.waits_for("Link Desktop Device")
        (first,) = stand.world.login_tokens
        person.waits_for("Link Desktop Device")
        (second,) = stand.world.login_tokens
        assert first.token != second.token
        assert re.search(r"\x1b\[\d+A", person.seen)
        assert _drawn_code(person.seen) == qr_lines(_url(second.token), colours=True)
        stand.scan(second.token)
        assert person.ends()[0] == 0, person.seen


@pytest.mark.parametrize(("left", "shown"), [(29.0, 29.0), (-3600.0, 25.0), (3629.0, 25.0), (0.0, 25.0)])
def test_a_wrong_clock_does_not_hide_the_code_or_keep_it_too_long(left: float, shown: float) -> None:
    """A host that is an hour off shows each code for 25 s."""
    assert token_seconds(left) == shown


def test_a_drawn_code_is_the_code() -> None:
    """Half blocks back to modules give what the QR library made, on either kind of terminal."""
    text = "tg://login?token=" + "a" * 43
    matrix = [[int(one) for one in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    for colours in (True, False):
        modules = []
        for line in qr_lines(text, colours=colours):
            bare = line.removeprefix("\x1b[30;107m").removesuffix("\x1b[0m")
            modules.append([int((one in "▀█") == colours) for one in bare])
            modules.append([int((one in "▄█") == colours) for one in bare])
        assert modules[: len(matrix)] == matrix


def test_show_tells_whose_it_is_and_masks_it(stand: TelegramStand, env_file: Path) -> None:
    """Account, data center, age and other sessions, with no whole phone number, address or string."""
    session = stand.session_string()
    stand.session_string()
    env_file.write_text(env_file.read_text().replace("SESSION_STRING=old", f"SESSION_STRING={session}"))
    done = _run("session", "show", folder=env_file.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"SESSION_STRING={masked(session)}\naccount: Test (id {USER_ID}, phone ***11)\n")
    facts = ("data center: 2", "less than a day old", "180 days", "other sessions of the account: 1", "(same API_ID)")
    for fact in (*facts, "Settings, Devices"):
        assert fact in done.stdout
    for secret in (PHONE, session, API_HASH, "127.0.0.1"):
        assert secret not in done.stdout


@pytest.mark.parametrize(
    ("session", "code", "reason"),
    [("", 78, "session login --write-env"), ("garbage", 1, "SESSION_STRING"), (None, 1, "no longer counts")],
)
def test_show_of_a_session_that_is_none_says_what_to_do(
    stand: TelegramStand, env_file: Path, session: str | None, code: int, reason: str
) -> None:
    """One line, for a missing, an unreadable and an ended session."""
    if session is None:
        session = stand.session_string()
        stand.revoke_all()
    env_file.write_text(env_file.read_text().replace("SESSION_STRING=old", f"SESSION_STRING={session}"))
    done = _run("session", "show", folder=env_file.parent)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert reason in line


def test_a_chat_is_picked_from_those_where_the_account_may_stream(stand: TelegramStand, env_file: Path) -> None:
    """Only chats with the right are listed, with ids of any size; the number that is typed becomes CHAT_ID."""
    session = stand.session_string()
    env_file.write_text(env_file.read_text().replace("SESSION_STRING=old", f"SESSION_STRING={session}"))
    with at_a_terminal([COMMAND, "session", "chats"], folder=env_file.parent) as person:
        listed = person.waits_for("Number to write as CHAT_ID")
        number = next(line.split()[0] for line in listed.splitlines() if "Test group" in line)
        person.types("99")
        person.waits_for("It is a number from 1 to 4")
        person.types(number)
        code, out = person.ends()
    assert code == 0, person.seen
    assert out == f"CHAT_ID=-{1_000_000_000_000 + GROUP_ID}\n"
    assert read_env_file(env_file).values["CHAT_ID"] == f"-{1_000_000_000_000 + GROUP_ID}"
    for fact in ("-1000000005001", "@testchan", "-6001", "By invitation"):
        assert fact in listed
    assert "Only read" not in listed


def test_a_list_of_chats_without_a_terminal_asks_nothing(stand: TelegramStand, env_file: Path) -> None:
    """In a script the list is its output."""
    session = stand.session_string()
    env_file.write_text(env_file.read_text().replace("SESSION_STRING=old", f"SESSION_STRING={session}"))
    before = env_file.read_bytes()
    done = _run("session", "chats", folder=env_file.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "-1000000005001",
        f"-{1_000_000_000_000 + GROUP_ID}",
        "-1000000005004",
        "-6001",
    ]
    assert env_file.read_bytes() == before


def test_the_input_may_end(env_file: Path) -> None:
    """Without a terminal it ends with a reason."""
    done = _run("session", "login", folder=env_file.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr.splitlines()[-1] == "tg-video-streamer: the input ended before the answer, and nothing was written"
    )


def _run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
