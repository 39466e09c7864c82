"""The playlist as a table in a real browser: by mouse, by keyboard, on a phone, in both languages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stands.browser import browser_missing, chromium, console_errors
from stands.control_room import barriers, save_screenshot, set_screen
from stands.numbered import Plan, make_clip
from stands.page import OPERATOR, Site, served
from stands.program import Clip, Program
from stands.uploading import uploads_into
from stands.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(browser_missing()), reason=f"not installed: {browser_missing()}")

TEXT = """# morning
one.mp4
#EXTINF:60,Announced
two.mp4
# evening

three.mp4 | title=<b>Three</b>
four.mp4
"""

CUT = """
const whole = window.fetch;
window.fetch = async (place, options) => {
  if (options?.method !== "PATCH") return whole(place, options);
  window.fetch = whole;
  await whole(place, { ...options, body: options.body.slice(0, Math.floor(options.body.size / 2)) });
  throw new TypeError("the connection is lost");
};
"""
"""The first piece of an upload arrives by half, and the browser learns nothing of it."""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uploads go."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def site(clip: Clip, media: Path) -> Iterator[Site]:
    """The application over a small channel."""
    with served(Program(clip), uploads=uploads_into(media)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """An operator's browser."""
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as running:
        running.get(f"{site.url}login?lang=en")
        running.find_element(By.ID, "token").send_keys(OPERATOR + Keys.ENTER)
        wait_until(lambda: "/login" not in running.current_url, what="signed in")
        yield running


@pytest.fixture
def table(site: Site, browser: WebDriver) -> WebDriver:
    """The table of TEXT on a desktop."""
    site.channel.playlist = TEXT
    site.channel.earlier.clear()
    set_screen(browser, width=1280, dark=False)
    browser.get(f"{site.url}playlist/table?lang=en")
    return browser


def expect(site: Site, *names: str) -> None:
    """Wait until the entries are these, in this order; every comment is still where it was."""

    def lines() -> list[str]:
        return site.channel.playlist.splitlines()

    wanted = [f"{name}.mp4" for name in names]
    wait_until(
        lambda: [line.partition(" |")[0] for line in lines() if line and not line.startswith("#")] == wanted,
        what=f"{wanted}",
    )
    assert [line for line in lines() if line in {"# morning", "# evening"}] == ["# morning", "# evening"]


def shown(browser: WebDriver, *names: str) -> None:
    """Wait until the table has these rows."""
    wanted = [f"{name}.mp4" for name in names]
    script = "return [...document.querySelectorAll('tr[data-line]')].map((row) => row.innerText).join('\\n')"
    wait_until(
        lambda: [word for word in str(browser.execute_script(script)).split() if word in wanted] == wanted,
        what=f"{wanted} in the table",
    )


def box(browser: WebDriver, name: str) -> str:
    """The id of the box of the row with that file."""
    script = "return [...document.querySelectorAll('tr[data-line]')].find((row) => row.innerText.includes(arguments[0])).querySelector('input').id"
    return str(browser.execute_script(script, f"{name}.mp4"))


def test_rows_are_dragged(site: Site, table: WebDriver) -> None:
    """A row that is dragged over another one stands there, with its announced title, and undo brings it back."""
    source = table.find_element(By.CSS_SELECTOR, f"tr:has(#{box(table, 'two')}) .title-line")
    target = table.find_element(By.CSS_SELECTOR, f"tr:has(#{box(table, 'four')})")
    below = target.size["height"] // 2 - 3
    ActionChains(table).click_and_hold(source).move_to_element_with_offset(target, 0, 0).move_by_offset(
        0, below
    ).release().perform()
    expect(site, "one", "three", "four", "two")
    assert "#EXTINF:60,Announced\ntwo.mp4" in site.channel.playlist
    shown(table, "one", "three", "four", "two")
    table.find_element(By.ID, "do-undo").click()
    expect(site, "one", "two", "three", "four")
    assert site.channel.playlist == TEXT


def test_rows_are_moved_by_the_keyboard(site: Site, table: WebDriver) -> None:
    """Arrows go and extend the selection, Alt moves it, Delete removes it, Ctrl+Z undoes; the focus stays with it."""
    table.find_element(By.ID, box(table, "one")).send_keys(Keys.ARROW_DOWN)
    keys = partial(ActionChains, table)
    keys().key_down(Keys.SHIFT).send_keys(Keys.ARROW_DOWN).key_up(Keys.SHIFT).perform()
    keys().key_down(Keys.ALT).send_keys(Keys.ARROW_DOWN).key_up(Keys.ALT).perform()
    expect(site, "one", "four", "two", "three")
    shown(table, "one", "four", "two", "three")
    wait_until(lambda: table.switch_to.active_element.get_attribute("id") == box(table, "two"), what="the focus")
    keys().key_down(Keys.ALT).send_keys(Keys.ARROW_UP).key_up(Keys.ALT).perform()
    expect(site, "one", "two", "three", "four")
    shown(table, "one", "two", "three", "four")
    wait_until(lambda: table.switch_to.active_element.get_attribute("id") == box(table, "two"), what="the focus")
    keys().send_keys(Keys.DELETE).perform()
    expect(site, "one", "four")
    shown(table, "one", "four")
    table.find_element(By.ID, box(table, "one")).send_keys(Keys.CONTROL + "z")
    expect(site, "one", "two", "three", "four")


def test_rows_are_moved_on_a_phone(site: Site, table: WebDriver) -> None:
    """On a narrow screen boxes and buttons do the same; a line is added, searched and shown as text."""
    set_screen(table, width=390, dark=True)
    for name in ("one", "three"):
        table.find_element(By.ID, box(table, name)).click()
    table.find_element(By.ID, "do-end").click()
    expect(site, "two", "four", "one", "three")
    shown(table, "two", "four", "one", "three")
    assert "<b>Three</b>" in table.find_element(By.CSS_SELECTOR, "table.playlist").text
    table.find_element(By.ID, "line").send_keys("five.mp4")
    table.find_element(By.ID, "title").send_keys("Fifth" + Keys.ENTER)
    expect(site, "two", "four", "one", "three", "five")
    assert "five.mp4 | title=Fifth" in site.channel.playlist
    table.find_element(By.ID, "words").send_keys("five" + Keys.ENTER)
    script = "return document.getElementById('main')?.innerText ?? ''"
    wait_until(lambda: "1 of 5 entries" in str(table.execute_script(script)), what="what was found")


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "ru")])
def test_the_table_has_no_barriers(site: Site, table: WebDriver, artifacts: Path, width: int, language: str) -> None:
    """The table has no fault that axe finds, no console error, and is no wider than the screen."""
    set_screen(table, width=width, dark=width < 1000)
    table.get(f"{site.url}playlist/table?lang={language}")
    save_screenshot(table, artifacts / f"playlist-table-{width}-{language}.png")
    assert [*barriers(table), *console_errors(table)] == []
    assert table.execute_script("return document.documentElement.scrollWidth") <= width
    table.get(f"{site.url}playlist/table?lang=en")


def test_an_upload_survives_a_lost_connection(site: Site, table: WebDriver, media: Path, tmp_path: Path) -> None:
    """A file is sent with a bar; the connection is lost in the middle and comes back, and the whole file counts."""
    film = make_clip(tmp_path / "Ночной поезд.mp4", Plan(item_id=1, frames=25, flashes=()))
    with film.open("ab") as file:
        file.write(struct.pack(">I4s", 600_008, b"free") + bytes(600_000))
    set_screen(table, width=390, dark=True)
    table.get(f"{site.url}uploads?lang=en")
    assert [*barriers(table), *console_errors(table)] == []
    table.execute_script(CUT)
    table.find_element(By.ID, "media").send_keys(str(film))
    wait_until(lambda: "no connection" in table.find_element(By.ID, "sending").text, what="the loss is shown")
    assert sum(part.stat().st_size for part in (media / ".incoming").glob("*.part")) == film.stat().st_size // 2
    wait_until(lambda: "done" in table.find_element(By.ID, "sending").text, what="it is whole")
    assert (media / film.name).read_bytes() == film.read_bytes()
    wait_until(lambda: film.name in table.find_element(By.ID, "part-files").text, what="it is listed")
    table.find_element(By.CSS_SELECTOR, f'[aria-label="Add to playlist: {film.name}"]').click()
    wait_until(lambda: str(media / film.name) in site.channel.playlist, what="it is in the playlist")
    console_errors(table)


def test_ten_thousand_rows(site: Site, table: WebDriver) -> None:
    """In a list of 10,000 lines a step, with the new rows shown, takes the page less than 100 ms of processor time."""
    site.channel.playlist = "".join(f"film-{number}.mp4 | title=Film {number}\n" for number in range(10_000))
    table.get(f"{site.url}playlist/table?lang=en")
    table.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = table.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    table.find_element(By.ID, "line-1").click()
    began = busy()
    for place in range(2, 7):
        table.find_element(By.ID, "do-down").click()
        wait_until(partial(is_checked, table, f"line-{place}"), what="the next step", every=0.2)
    assert (busy() - began) / 5 < 0.1


def is_checked(browser: WebDriver, element: str) -> bool:
    """Whether the box with that id is there and checked."""
    return bool(browser.execute_script("return document.getElementById(arguments[0])?.checked", element))
