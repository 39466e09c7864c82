"""All pages in a real browser, with a service on air: every control, both languages."""

from __future__ import annotations

import base64
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import cycle, product
from pathlib import Path

import pytest
import segno
from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from stands.browser import browser_missing, chromium, console_errors, video_picture, video_state
from stands.control_room import (
    NASTY,
    OPERATOR,
    TITLES,
    VIEWER,
    Channel,
    barriers,
    on_air,
    save_screenshot,
    set_screen,
    sign_in,
)
from stands.page_visitor import PageVisitor
from stands.telegram_dc.world import CODE, PASSWORD, PHONE, USER_ID
from stands.uploading import Sender
from stands.waiting import wait_until
from tg_video_streamer.envfile.read import read_env_file

pytestmark = [
    pytest.mark.skipif(bool(browser_missing()), reason=f"not installed: {browser_missing()}"),
]

PAGES = (
    "/",
    "/queue",
    "/queue?words=night",
    "/playlist",
    "/playlist/table",
    "/playlist/folders",
    "/uploads",
    "/day",
    "/as-run",
    "/audience",
    "/session",
    "/health",
    "/fleet",
    "/schedule?day=2099-01-01",
)
SCHEDULE = """
time_zone = "Europe/Berlin"
[[show]]
title = "News at eight"
at = 2099-01-01T20:00:00Z
item = "https://127.0.0.1:9/news"
start = "hard"
"""
"""Too far away to affect the program."""
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """One for all tests; each leaves it on air."""
    folder = tmp_path_factory.mktemp("room")
    with on_air(folder, UPLOAD_DIR=str(folder / "uploads")) as channel:
        (channel.service.folder / "schedule.toml").write_text(SCHEDULE)
        wait_until(lambda: "News at eight" in channel.service.page(PAGES[-1])[1], what="the schedule is in force")
        yield channel


@pytest.fixture(scope="module")
def operators(channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A browser in which an operator has signed in."""
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        sign_in(browser, channel)
        yield browser


@pytest.fixture
def browser(operators: WebDriver) -> WebDriver:
    """The same browser as a light desktop."""
    set_screen(operators, width=1280, dark=False)
    return operators


def text_of(browser: WebDriver, element: str) -> str:
    """The text of the element with that id; empty if it does not exist."""
    return str(browser.execute_script("return document.getElementById(arguments[0])?.innerText ?? ''", element))


def flash_message(browser: WebDriver) -> str:
    """The message about the last change."""
    return text_of(browser, "flash-messages")


def press(browser: WebDriver, label: str) -> None:
    """Press the visible button with that label; its part of the page may be replaced meanwhile."""
    wait_until(partial(_pressed, browser, label), what=f"a button: {label}")


def _pressed(browser: WebDriver, label: str) -> bool:
    with suppress(StaleElementReferenceException):
        for button in browser.find_elements(By.TAG_NAME, "button"):
            if button.text == label:
                button.click()
                return True
    return False


def strike(browser: WebDriver, selector: str, key: str = Keys.ENTER) -> None:
    """Send a key to the element of that selector, as soon as it accepts one."""
    wait_until(partial(_struck, browser, selector, key), what=f"an element that takes a key: {selector}")


def _struck(browser: WebDriver, selector: str, key: str) -> bool:
    with suppress(StaleElementReferenceException, ElementNotInteractableException, NoSuchElementException):
        browser.find_element(By.CSS_SELECTOR, selector).send_keys(key)
        return True
    return False


def expect_message(browser: WebDriver, words: str) -> None:
    """Wait for the message about the last change."""
    wait_until(lambda: words in flash_message(browser), what=words)


def test_picture_moves_and_sounds(channel: Channel, browser: WebDriver) -> None:
    """The picture's time advances, its pixels change, and a button turns the sound on."""
    browser.get(f"{channel.url}/?lang=en")
    wait_until(lambda: video_state(browser).time > 0.2, what="a picture that moves")
    first, state = video_picture(browser), video_state(browser)
    wait_until(lambda: video_state(browser).time > state.time + 1 and video_picture(browser) != first, what="it moves")
    press(browser, "Sound on")
    wait_until(lambda: browser.execute_script("return !document.getElementById('live').muted"), what="sound")
    wait_until(lambda: video_state(browser).audio_bytes > state.audio_bytes, what="decoded sound")
    press(browser, "Sound off")


def check_page(browser: WebDriver, url: str, *, width: int, dark: bool, language: str, artifacts: Path) -> list[str]:
    """All faults of one page in one variant; saves its screenshot."""
    set_screen(browser, width=width, dark=dark)
    browser.get(f"{url}{'&' if '?' in url else '?'}lang={language}")
    wait_until(lambda: browser.execute_script("return document.readyState") == "complete", what=url)
    name = re.sub(r"\W+", "-", url.partition("/")[2].partition("/")[2].partition("/")[2]).strip("-") or "on-air"
    theme = "dark" if dark else "light"
    save_screenshot(browser, artifacts / f"control-room-{name}-{width}-{theme}-{language}.png")
    wrong = [f"{url}: {one}" for one in (*barriers(browser), *console_errors(browser))]
    if browser.execute_script("return document.documentElement.scrollWidth") > width:
        wrong.append(f"{url} is wider than {width}")
    if browser.find_element(By.TAG_NAME, "html").get_attribute("lang") != language:
        wrong.append(f"{url} is not in {language}")
    return wrong


def test_every_page_is_accessible(channel: Channel, browser: WebDriver, artifacts: Path) -> None:
    """No page has an accessibility fault that axe finds, an error in the console, or content wider than the screen."""
    wrong = []
    for page, (width, dark, language) in zip(PAGES, cycle([(1280, False, "en"), (390, True, "ru")]), strict=False):
        wrong += check_page(browser, channel.url + page, width=width, dark=dark, language=language, artifacts=artifacts)
    assert wrong == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_page_in_every_variant(channel: Channel, browser: WebDriver, artifacts: Path) -> None:
    """The same at both widths, in both themes and both languages, for operators, viewers and the sign-in page."""
    wrong = []
    variants = list(product(WIDTHS, (False, True), ("en", "ru")))
    for page, (width, dark, language) in product(PAGES, variants):
        wrong += check_page(browser, channel.url + page, width=width, dark=dark, language=language, artifacts=artifacts)
    browser.delete_all_cookies()
    for page, (width, dark, language) in product(("/login",), variants):
        wrong += check_page(browser, channel.url + page, width=width, dark=dark, language=language, artifacts=artifacts)
    sign_in(browser, channel, VIEWER)
    for page, (width, dark, language) in product(("/", "/queue", "/health"), variants):
        wrong += check_page(browser, channel.url + page, width=width, dark=dark, language=language, artifacts=artifacts)
    assert "/session" not in browser.page_source
    browser.delete_all_cookies()
    sign_in(browser, channel)
    assert wrong == []


@pytest.fixture
def held(channel: Channel) -> Iterator[None]:
    """The item on air waits: nothing leaves the queue meanwhile, however slow the machine is."""
    channel.service.command("pause")
    yield
    channel.service.command("resume")


@pytest.mark.usefixtures("held")
def test_titles_are_text(channel: Channel, browser: WebDriver) -> None:
    """Markup and script in a title are text in the next items, the search and the queue."""
    browser.get(f"{channel.url}/queue?words=onerror&lang=en")
    assert NASTY in browser.find_element(By.ID, "found").text
    strike(browser, "#found button")
    wait_until(lambda: NASTY in text_of(browser, "part-queue"), what="it is queued")
    expect_message(browser, NASTY)
    assert not browser.find_elements(By.CSS_SELECTOR, "img[src=x]")
    assert "owned" not in browser.title
    strike(browser, '[aria-label^="Remove:"]')
    wait_until(lambda: "The queue is empty" in text_of(browser, "part-queue"), what="it is out")
    assert console_errors(browser) == []


@pytest.mark.usefixtures("held")
def test_queue_by_the_keyboard(channel: Channel, browser: WebDriver) -> None:
    """Search, put in twice, move and take out, all without a mouse; the focus stays where the hands are."""
    for words in ("night", "market"):
        browser.get(f"{channel.url}/queue?lang=en")
        browser.find_element(By.ID, "words").send_keys(words + Keys.ENTER)
        wait_until(lambda: "1 item found" in text_of(browser, "found"), what=f"{words} is found")
        strike(browser, "#found button")
        wait_until(partial(is_queued, browser, words), what="it is queued")
    assert queued(channel) == [TITLES[2], TITLES[1]]
    strike(browser, f'[aria-label="Move down: {TITLES[2]}"]')
    wait_until(lambda: queued(channel) == [TITLES[1], TITLES[2]], what="moved")
    wait_until(
        lambda: text_of(browser, "part-queue").index(TITLES[1]) < text_of(browser, "part-queue").index(TITLES[2])
    )
    assert browser.execute_script("return document.getElementById('part-queue').contains(document.activeElement)")
    line = browser.find_element(By.ID, "line")
    line.send_keys(f"{channel.service.settings['MEDIA_DIRS']}/by-hand.mp4 | title=By hand" + Keys.ENTER)
    wait_until(lambda: queued(channel)[-1:] == ["By hand"], what="added")
    assert line.get_attribute("value") == ""
    line.send_keys("films/harbour.mp4 | nonsense=1" + Keys.ENTER)
    wait_until(
        lambda: browser.find_elements(By.CSS_SELECTOR, '#flash-messages [data-ok="0"]'), what="refused with a reason"
    )
    press(browser, "Clear queue")
    browser.switch_to.alert.accept()
    wait_until(lambda: queued(channel) == [], what="all out")


def is_queued(browser: WebDriver, words: str) -> bool:
    """Whether the page's queue contains it."""
    return words in text_of(browser, "part-queue").casefold()


def queued(channel: Channel) -> list[str]:
    """The service's queue."""
    done = channel.service.command("queue", "list")
    return re.findall(r"(Harbour at dawn|Night train|Market square|By hand)", done.stdout)


def test_the_program_is_controlled(channel: Channel, browser: WebDriver) -> None:
    """Pause, resume, slate and skip work; badge and buttons follow without a reload."""
    browser.get(f"{channel.url}/?lang=en")
    press(browser, "Pause")
    wait_until(lambda: text_of(browser, "badge") == "Slate", what="the slate in the badge")
    wait_until(lambda: "Resume" in text_of(browser, "main"), what="a way back")
    assert channel.service.status()["holds"] == ["pause"]
    press(browser, "Resume")
    wait_until(lambda: text_of(browser, "badge") == "On air", what="on air again")
    press(browser, "Show slate")
    wait_until(lambda: channel.service.status()["holds"] == ["slate"], what="the slate")
    wait_until(lambda: "Hide slate" in text_of(browser, "main"), what="the way off")
    press(browser, "Hide slate")
    wait_until(lambda: text_of(browser, "badge") == "On air", what="on air again")
    before = text_of(browser, "now-title")
    press(browser, "Skip")
    wait_until(lambda: text_of(browser, "now-title") not in {"", before}, what="the next item")


def test_the_item_is_moved_by_mouse_and_keyboard(channel: Channel, browser: WebDriver) -> None:
    """The bar follows the program, a click on it and its keys move the item, and the buttons move it by 30 s."""
    browser.get(f"{channel.url}/?lang=en")
    channel.service.command("jump", key_of(channel, TITLES[0]))
    channel.service.wait_for(
        lambda status: status["now"] and status["now"]["title"] == TITLES[0], what="the first item"
    )
    wait_until(lambda: 0 < bar_value(browser) < 20, what="the bar follows")
    bar = browser.find_element(By.ID, "seek")
    ActionChains(browser).move_to_element(bar).click().perform()
    channel.service.wait_for(lambda status: 27 < status["position_seconds"] < 45, what="moved to the middle")
    expect_message(browser, "continues at")
    wait_until(lambda: bar_value(browser) >= 27, what="the bar is there")
    press(browser, "-30 s")
    channel.service.wait_for(lambda status: status["position_seconds"] < 20, what="30 s back")
    wait_until(lambda: bar_value(browser) < 20, what="the bar is back")
    browser.find_element(By.ID, "seek").send_keys(Keys.END + Keys.ARROW_LEFT * 20)
    channel.service.wait_for(lambda status: status["position_seconds"] > 38, what="moved by keys")
    assert not browser.find_elements(By.CSS_SELECTOR, '#flash-messages [data-ok="0"]')


def bar_value(browser: WebDriver) -> int:
    """Where the bar is; -1 while it is replaced."""
    found = browser.execute_script("return document.getElementById('seek')?.value ?? -1")
    return int(found)


def key_of(channel: Channel, title: str) -> str:
    """Of the item with that title."""
    return channel.service.command("search", title).stdout.split()[0]


def test_playlist_is_edited(channel: Channel, browser: WebDriver) -> None:
    """A bad line is reported while it is typed; changes are reviewed before saving; no other edit is overwritten."""
    before, bad = channel.playlist.read_text(), "films/harbour.mp4 | nonsense=1"
    browser.get(f"{channel.url}/playlist?lang=en")
    area = browser.find_element(By.ID, "text")
    area.send_keys(f"{bad}\n")
    wait_until(lambda: "nonsense" in text_of(browser, "check"), what="what is wrong with it")
    area.send_keys(
        Keys.BACK_SPACE * (len(bad) + 1)
        + f"# mine\n{channel.service.settings['MEDIA_DIRS']}/first.mp4 | title=One more\n"
    )
    wait_until(lambda: "5 entries will play" in text_of(browser, "check"), what="it is well now")
    press(browser, "Review changes")
    wait_until(lambda: browser.find_elements(By.TAG_NAME, "ins"), what="the changes")
    added = [one.text for one in browser.find_elements(By.TAG_NAME, "ins")]
    assert added == ["# mine", f"{channel.service.settings['MEDIA_DIRS']}/first.mp4 | title=One more"]
    assert browser.find_elements(By.TAG_NAME, "del") == []
    channel.playlist.write_text(f"# theirs\n{before}")
    press(browser, "Save")
    expect_message(browser, "has changed since it was read")
    assert [one.text for one in browser.find_elements(By.TAG_NAME, "del")] == ["# theirs"]
    assert channel.playlist.read_text() == f"# theirs\n{before}"
    press(browser, "Save")
    expect_message(browser, "the playlist is saved")
    assert (
        channel.playlist.read_text()
        == f"{before}# mine\n{channel.service.settings['MEDIA_DIRS']}/first.mp4 | title=One more\n"
    )
    wait_until(
        lambda: "One more" in channel.service.page("/queue?words=one+more")[1], what="it plays without a restart"
    )


def test_a_line_is_looked_at_before_it_is_saved(channel: Channel, browser: WebDriver) -> None:
    """The table has pictures of the files; a path is looked up with title, length and picture, added, and undone."""
    before = channel.playlist.read_text()
    console_errors(browser)
    browser.get(f"{channel.url}/playlist/table?lang=en")
    shown = "return document.querySelector('.playlist img').naturalWidth"
    wait_until(lambda: browser.execute_script(shown) == 240, what="a picture of the first film")
    rows = browser.find_element(By.CSS_SELECTOR, "table.playlist").text
    assert TITLES[1] in rows
    assert NASTY in rows
    path = f"{channel.service.settings['MEDIA_DIRS']}/by-hand.mp4"
    browser.find_element(By.ID, "line").send_keys(path)
    press(browser, "Look up")
    wait_until(lambda: "1:00" in text_of(browser, "part-look"), what="its length")
    assert browser.execute_script("return document.querySelector('img.look').naturalWidth") == 240
    title = browser.find_element(By.ID, "look-title")
    assert title.get_attribute("value") == "by-hand"
    browser.find_element(By.ID, "look-add").click()
    expect_message(browser, "added 1 entry")
    assert channel.playlist.read_text() == f"{before}{path} | title=by-hand\n"
    press(browser, "Undo")
    expect_message(browser, "undone")
    assert channel.playlist.read_text() == before
    assert console_errors(browser) == []


def test_files_are_added_from_their_folders(channel: Channel, browser: WebDriver) -> None:
    """From the list of media folders to a file and into the playlist; folders outside are refused."""
    before, media = channel.playlist.read_text(), channel.service.settings["MEDIA_DIRS"]
    browser.get(f"{channel.url}/playlist/folders?lang=en")
    wait_until(lambda: browser.find_elements(By.LINK_TEXT, f"{media}/"), what="the media folder")
    browser.find_element(By.LINK_TEXT, f"{media}/").click()
    strike(browser, '[aria-label="Add to playlist: by-hand.mp4"]')
    expect_message(browser, "added 1 entry")
    assert channel.playlist.read_text() == f"{before}{media}/by-hand.mp4\n"
    for folder in ("/etc", f"{media}/../..", "relative", "/"):
        browser.get(f"{channel.url}/playlist/folders?folder={folder}")
        assert "outside" in flash_message(browser)
        assert "passwd" not in browser.page_source
    channel.playlist.write_text(before)
    console_errors(browser)


def test_an_uploaded_file_plays_and_stays_while_it_is_listed(channel: Channel) -> None:
    """A file that was sent is accepted as a line; it cannot be removed before its line is."""
    before, folder = channel.playlist.read_text(), Path(channel.service.settings["UPLOAD_DIR"])
    film = (Path(channel.service.settings["MEDIA_DIRS"]) / "first.mp4").read_bytes()
    name = Sender(port=channel.service.web_port, token=OPERATOR).upload("sent.mp4", film)
    page = PageVisitor(port=channel.service.web_port)
    assert page.sign_in(OPERATOR).status == 200
    page.post("/playlist/table", {"do": "add", "line": str(folder / name)})
    assert channel.playlist.read_text() == f"{before}{folder / name}\n"
    wait_until(lambda: "sent.mp4" in channel.service.page("/queue?words=sent")[1], what="it is in the program")
    page.post("/uploads/remove", {"name": name})
    assert (folder / name).read_bytes() == film
    channel.playlist.write_text(before)
    page.post("/uploads/remove", {"name": name})
    assert not (folder / name).exists()


def test_the_day_has_the_encoders_margin(channel: Channel) -> None:
    """What the encoder showed when it filled its buffer stands on the page of the day, with what the library takes."""
    margin = wait_until(lambda: channel.service.status()["encode_margin"], what="an encode that has filled its buffer")
    assert 0 < margin < 10_000
    status, text = channel.service.page("/day?lang=en")
    assert status == 200
    assert "times real time" in text
    assert TITLES[1] in text


def test_as_run_is_filtered(channel: Channel, browser: WebDriver) -> None:
    """The as-run log is filtered by words and source, and downloaded as CSV."""
    wait_until((channel.service.state_dir / "as-run.jsonl").exists, what="a log")
    channel.service.command("skip")
    wait_until(lambda: "skipped" in (channel.service.state_dir / "as-run.jsonl").read_text(), what="a line of it")
    browser.get(f"{channel.url}/as-run?lang=en")
    assert "skipped" in browser.find_element(By.CSS_SELECTOR, "table.as-run").text
    Select(browser.find_element(By.ID, "level")).select_by_visible_text("Filler")
    press(browser, "Show")
    assert "Nothing matches the filter." in text_of(browser, "main")
    status, text = channel.service.page("/as-run.csv?level=item")
    assert status == 200
    assert text.startswith("start,end,seconds,level,reason,title")


def test_a_lost_connection_is_shown(channel: Channel, browser: WebDriver) -> None:
    """A silent service is not shown as on air: the badge says since when there is no connection."""
    browser.get(f"{channel.url}/queue?lang=en")
    wait_until(lambda: text_of(browser, "badge") == "On air", what="on air")
    channel.service.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: text_of(browser, "badge").startswith("No connection since"), what="the truth")
        assert "out of date" in text_of(browser, "live-reason")
    finally:
        channel.service.process.send_signal(signal.SIGCONT)
    wait_until(lambda: text_of(browser, "badge") == "On air", what="its word again")


def test_guides_and_calendars_can_read_the_schedule(channel: Channel) -> None:
    """The addresses that the page names answer, with nothing of a day that is not among the coming ones."""
    for path, begins in (("/schedule.xml", "<?xml"), ("/schedule.ics", "BEGIN:VCALENDAR")):
        status, text = channel.service.page(path)
        assert (status, text.startswith(begins)) == (200, True)
        assert "Playlist" in text
        assert "News at eight" not in text


def test_health_is_shown(channel: Channel, browser: WebDriver) -> None:
    """Versions appear, the log's end contains no secret, and the checks run on demand."""
    browser.get(f"{channel.url}/health?lang=en")
    wait_until(lambda: "…" not in text_of(browser, "part-versions"), what="versions")
    assert re.search(r"\d{4}\.\d+\.\d+ \(\d+ days? old\)", text_of(browser, "part-versions"))
    log = browser.find_element(By.CSS_SELECTOR, "pre.log").text
    assert "playlist read" in log
    assert channel.service.settings["SESSION_STRING"] not in browser.page_source
    press(browser, "Run checks")
    wait_until(lambda: "OK" in text_of(browser, "part-health"), timeout=120, what="findings")


def test_session_is_renewed_by_a_scan(channel: Channel, browser: WebDriver) -> None:
    """A lost session shows in the badge; after a scan of the page's QR code the badge is normal again."""
    browser.get(f"{channel.url}/session?lang=en")
    wait_until(lambda: text_of(browser, "badge") == "On air", what="on air")
    before = read_env_file(channel.service.env_file).values["SESSION_STRING"]
    channel.telegram.revoke_all(401, "SESSION_REVOKED")
    channel.telegram.drop()
    wait_until(lambda: "no session" in text_of(browser, "badge"), what="degraded in the badge")
    press(browser, "Log in by QR code")
    wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "svg.qr"), what="a code")
    drawn = wait_until(lambda: drawn_code(browser), what="its drawing")
    token = channel.telegram.world.login_tokens[-1].token
    channel.telegram.scan(token)
    assert drawn in {modules(one.token) for one in channel.telegram.world.login_tokens} | {modules(token)}
    wait_until(lambda: text_of(browser, "badge") == "On air", what="on air, without a restart")
    wait_until(lambda: "valid" in text_of(browser, "session-facts"), what="the session's state")
    after = read_env_file(channel.service.env_file).values["SESSION_STRING"]
    assert after != before
    assert after not in browser.page_source
    assert f"…{str(USER_ID)[-4:]}" in text_of(browser, "session-facts")


def drawn_code(browser: WebDriver) -> frozenset[tuple[int, int]]:
    """The dark modules of the QR code on the page, without its border."""
    path = browser.execute_script("return document.querySelector('svg.qr path')?.getAttribute('d') ?? ''")
    return frozenset((int(x) - 4, int(y) - 4) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path))


def modules(token: bytes) -> frozenset[tuple[int, int]]:
    """The dark modules of what a phone must be shown for a login token."""
    url = f"tg://login?token={base64.urlsafe_b64encode(token).decode().rstrip('=')}"
    matrix = segno.make(url, error="l", micro=False).matrix_iter(border=0)
    return frozenset((x, y) for y, row in enumerate(matrix) for x, module in enumerate(row) if module)


@pytest.mark.usefixtures("held")
def test_everything_without_scripts(channel: Channel, tmp_path: Path) -> None:
    """Without scripts all forms work: sign-in, queue, upload, and a session by phone and password."""
    channel.telegram.user(USER_ID).password = PASSWORD
    try:
        with chromium(tmp_path / "profile", scripts=False) as browser:
            sign_in(browser, channel)
            browser.get(f"{channel.url}/queue?lang=en")
            browser.find_element(By.ID, "line").send_keys(
                f"{channel.service.settings['MEDIA_DIRS']}/by-hand.mp4 | title=By hand" + Keys.ENTER
            )
            assert "queued By hand" in browser.find_element(By.ID, "flash-messages").text
            assert "By hand" in browser.find_element(By.ID, "part-queue").text
            browser.find_element(By.CSS_SELECTOR, '[aria-label="Remove: By hand"]').click()
            wait_until(partial(reads, browser, "part-queue", "The queue is empty"), what="it is removed")
            upload(browser, channel, tmp_path / "list.txt")
            browser.get(f"{channel.url}/session")
            answers = {"phone number": f"+{PHONE}", "Login code": CODE, "verification password": PASSWORD}
            for label, answer in answers.items():
                field = wait_until(partial(asked, browser, label), what=f"the {label}", every=0.5)
                assert field is not None
                field.send_keys(answer + Keys.ENTER)
                # The next reload would otherwise cancel the request that carries the answer.
                wait_until(partial(is_gone, field), what=f"the answer to {label} is sent")
            wait_until(lambda: shown(browser, "saved in the settings file"), what="a session", every=0.5)
    finally:
        channel.telegram.user(USER_ID).password = None


def reads(browser: WebDriver, element: str, words: str) -> bool:
    """Whether the element has these words, also while the browser goes to another page."""
    with suppress(StaleElementReferenceException, NoSuchElementException):
        return words in browser.find_element(By.ID, element).text
    return False


def upload(browser: WebDriver, channel: Channel, file: Path) -> None:
    """Upload the playlist with one more line, up to the review, which shows that line."""
    browser.get(f"{channel.url}/playlist")
    file.write_text(f"{browser.find_element(By.ID, 'text').get_attribute('value')}# from a file\n")
    browser.find_element(By.CSS_SELECTOR, "input[type=file][required]").send_keys(str(file))
    browser.find_element(By.CSS_SELECTOR, '[action="/playlist/upload"] button').click()
    # A click may return before the page that it asks for is there.
    wait_until(lambda: text_value(browser) == file.read_text(), what="the upload")
    browser.find_element(By.CSS_SELECTOR, '[action="/playlist/compare"] button').click()
    wait_until(lambda: browser.find_elements(By.TAG_NAME, "ins"), what="the changes")
    assert [one.text for one in browser.find_elements(By.TAG_NAME, "ins")] == ["# from a file"]


def text_value(browser: WebDriver) -> str | None:
    """What the playlist's field contains; None while the browser goes to another page."""
    with suppress(StaleElementReferenceException, NoSuchElementException):
        return browser.find_element(By.ID, "text").get_attribute("value")
    return None


def is_gone(element: WebElement) -> bool:
    """Whether the browser shows another page than the one with the element."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False


def asked(browser: WebDriver, label: str) -> WebElement | None:
    """The field with that label after a reload; None if another one is shown."""
    browser.get(browser.current_url.partition("?")[0].replace("/begin-phone", ""))
    with suppress(StaleElementReferenceException):  # the page reloads itself meanwhile
        found = browser.find_elements(By.ID, "answer")
        return found[0] if found and label in browser.find_element(By.CSS_SELECTOR, ".renewal").text else None
    return None


def shown(browser: WebDriver, words: str) -> bool:
    """Whether the page contains these words after a reload."""
    browser.get(browser.current_url)
    return words in browser.find_element(By.ID, "main").text


def test_viewers_only_read(channel: Channel) -> None:
    """Without the operator's token no page has a control, and playlist, log and session are hidden."""
    for path in ("/", "/queue", "/queue?words=night", "/as-run", "/health"):
        status, text = channel.service.page(path)
        assert status == 200
        assert 'action="/actions/' not in text
        assert "/playlist" not in text
    assert "playlist read" not in channel.service.page("/health")[1]
    for path in ("/playlist", "/session"):
        assert channel.service.page(path)[0] == 401


@pytest.mark.long
@pytest.mark.timeout(600)
def test_edits_survive_a_restart(tmp_path: Path) -> None:
    """The queue and the saved playlist survive a restart."""
    with on_air(tmp_path) as channel, chromium(tmp_path / "profile") as browser:
        sign_in(browser, channel)
        browser.get(f"{channel.url}/playlist?lang=en")
        media = channel.service.settings["MEDIA_DIRS"]
        browser.find_element(By.ID, "text").send_keys(f"{media}/by-hand.mp4 | title=Saved before\n")
        press(browser, "Review changes")
        press(browser, "Save")
        expect_message(browser, "the playlist is saved")
        assert channel.service.stop() == 0
        channel.service.start()
        channel.service.wait_on_air()
        wait_until(lambda: "Saved before" in channel.service.page("/queue?words=saved")[1], what="the edit")
        wait_until(lambda: text_of(browser, "badge") == "On air", what="the page that was open")
