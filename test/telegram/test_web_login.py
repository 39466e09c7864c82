"""The web login against the loopback Telegram: by QR code or phone, saved in the settings file or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stands.telegram_account import credentials
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CODE, PASSWORD, PHONE, SECOND_USER_ID, USER_ID
from stands.waiting import wait_until
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.envfile.read import read_env_file
from tg_video_streamer.envfile.write import update_env
from tg_video_streamer.errors import ControlError
from tg_video_streamer.telegram.client.session_string import read_session_string
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.session.web_login import WebLogin
from tg_video_streamer.telegram.session.web_login_state import TRANSITIONS, WebLoginStep

BY = "operator from a test"


@pytest.fixture
def stand(telegram: TelegramStand) -> Iterator[TelegramStand]:
    """The same, without logins and second factors."""
    yield telegram
    telegram.do(telegram.world.keys.clear)
    telegram.do(telegram.world.login_tokens.clear)
    for user_id in (USER_ID, SECOND_USER_ID):
        telegram.user(user_id).password = None


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A settings file with an old session."""
    path = tmp_path / ".env"
    path.write_text("# mine\nSESSION_STRING=old\n")
    path.chmod(0o600)
    return path


@asynccontextmanager
async def _web_login(
    stand: TelegramStand, env_file: Path | None, *, owner: int = 0, seconds: float = 60.0
) -> AsyncIterator[WebLogin]:
    with TemporaryDirectory() as folder:
        store = TelegramState(Path(folder))
        store.owner_id = owner
        login = WebLogin(
            credentials=lambda: credentials(stand, "old"),
            write=None if env_file is None else lambda changes: update_env(env_file, changes),
            store=store,
            clock=SystemClock(),
            login_seconds=seconds,
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(login.run())
            yield login
            running.cancel()


async def _until(login: WebLogin, step: WebLoginStep, message: str = "") -> None:
    await asyncio.to_thread(
        wait_until, lambda: login.state.step is step and message in str(login.state.message), what=f"{step} {message}"
    )


def _text(env_file: Path) -> str:
    return env_file.read_text()


def _session(env_file: Path) -> str:
    return read_env_file(env_file).values["SESSION_STRING"]


def _logged_in(stand: TelegramStand) -> list[int | None]:
    """Who is logged in, as Telegram knows it."""
    return [key.user_id for key in stand.world.keys.values() if key.user_id is not None]


async def test_a_scanned_code_becomes_the_session(stand: TelegramStand, env_file: Path) -> None:
    """The scan of the code that is shown ends with the session in the settings file, the rest of it untouched."""
    async with _web_login(stand, env_file, owner=USER_ID) as login:
        login.begin_qr(BY)
        await _until(login, WebLoginStep.QR)
        await asyncio.to_thread(stand.scan, login.state.qr_url)
        await _until(login, WebLoginStep.DONE)
        assert f"…{str(USER_ID)[-4:]}" in str(login.state.account)
        assert login.state.qr_url == ""
    assert read_session_string(_session(env_file)).key in {key.key for key in stand.world.keys.values()}
    assert _text(env_file).startswith("# mine\n")


async def test_phone_code_and_password(stand: TelegramStand, env_file: Path) -> None:
    """A wrong number, code and password are asked for again with what was wrong; the right ones log in."""
    stand.user(USER_ID).password = PASSWORD
    async with _web_login(stand, env_file) as login:
        login.begin_phone("no number", BY)
        await _until(login, WebLoginStep.PHONE, "country")
        login.answer(WebLoginStep.PHONE, PHONE)
        await _until(login, WebLoginStep.CODE)
        login.answer(WebLoginStep.CODE, "00000")
        await _until(login, WebLoginStep.CODE, "not the code")
        with pytest.raises(ControlError, match="does not wait"):
            login.answer(WebLoginStep.PASSWORD, PASSWORD)
        login.answer(WebLoginStep.CODE, CODE)
        await _until(login, WebLoginStep.PASSWORD)
        login.answer(WebLoginStep.PASSWORD, "wrong")
        await _until(login, WebLoginStep.PASSWORD, "not the password")
        login.answer(WebLoginStep.PASSWORD, PASSWORD)
        await _until(login, WebLoginStep.DONE)
    assert _session(env_file) != "old"


@pytest.mark.parametrize("wanted", ["yes", "no"])
async def test_another_account_is_kept_only_where_that_is_wanted(
    stand: TelegramStand, env_file: Path, wanted: str
) -> None:
    """Another account than before has to be confirmed; without that its session is ended and nothing is written."""
    async with _web_login(stand, env_file, owner=USER_ID) as login:
        login.begin_qr(BY)
        await _until(login, WebLoginStep.QR)
        await asyncio.to_thread(stand.scan, login.state.qr_url, SECOND_USER_ID)
        await _until(login, WebLoginStep.CONFIRM)
        login.answer(WebLoginStep.CONFIRM, wanted)
        await _until(login, WebLoginStep.DONE if wanted == "yes" else WebLoginStep.FAILED)
    assert (_session(env_file) != "old") is (wanted == "yes")
    assert _logged_in(stand) == ([SECOND_USER_ID] if wanted == "yes" else [])


async def test_a_login_that_is_given_up_leaves_nothing(stand: TelegramStand, env_file: Path) -> None:
    """Cancelled or too slow, a login leaves the file as it was, and the next one can begin."""
    async with _web_login(stand, env_file) as login:
        login.begin_qr(BY)
        with pytest.raises(ControlError, match="in progress"):
            login.begin_qr(BY)
        await _until(login, WebLoginStep.QR)
        login.cancel()
        await _until(login, WebLoginStep.IDLE)
    async with _web_login(stand, env_file, seconds=0.7) as login:
        login.begin_qr(BY)
        await _until(login, WebLoginStep.FAILED, "took longer")
    assert _text(env_file) == "# mine\nSESSION_STRING=old\n"
    assert _logged_in(stand) == []


async def test_a_file_that_cannot_be_written_ends_the_new_session(stand: TelegramStand, tmp_path: Path) -> None:
    """Where the settings file cannot be written the login fails with the reason, and its session is ended at Telegram."""
    folder = tmp_path / "file, no folder"
    folder.write_text("")
    async with _web_login(stand, folder / ".env") as login:
        login.begin_qr(BY)
        await _until(login, WebLoginStep.QR)
        await asyncio.to_thread(stand.scan, login.state.qr_url)
        await _until(login, WebLoginStep.FAILED, "cannot be written")
    assert _logged_in(stand) == []


async def test_without_a_settings_file_no_login_begins(stand: TelegramStand) -> None:
    """A service that has no settings file says so before the person has any trouble."""
    async with _web_login(stand, None) as login:
        with pytest.raises(ControlError, match="without a settings file"):
            login.begin_phone(PHONE, BY)
        assert login.state.step is WebLoginStep.IDLE


async def test_neither_code_nor_session_is_logged(
    stand: TelegramStand, env_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log says who began a login and how it ended, and none of its secrets."""
    async with _web_login(stand, env_file) as login:
        login.begin_qr(BY)
        await _until(login, WebLoginStep.QR)
        url = login.state.qr_url
        assert url not in repr(login.state)
        await asyncio.to_thread(stand.scan, url)
        await _until(login, WebLoginStep.DONE)
    said = "".join(capsys.readouterr())
    assert BY in said
    assert "done" in said
    assert url not in said
    assert _session(env_file) not in said


def test_every_step_can_be_reached_and_left() -> None:
    """The table leads from rest to every step of the diagram, and from each one back to where a login can begin."""

    def reached(start: WebLoginStep) -> set[WebLoginStep]:
        found, new = {start}, {start}
        while new := {after for step in new for after in TRANSITIONS[step]} - found:
            found |= new
        return found

    assert all(reached(step) >= set(WebLoginStep) - {WebLoginStep.IDLE} for step in WebLoginStep)
    assert WebLoginStep.IDLE in reached(WebLoginStep.STARTING)
