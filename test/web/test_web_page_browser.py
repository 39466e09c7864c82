"""The start page in a real browser: picture, sound, live updates, screen sizes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from stands.browser import browser_missing, chromium, console_errors, video_picture, video_state
from stands.control_room import barriers, save_screenshot, set_screen
from stands.house import house_of
from stands.page import Site, example_status, served
from stands.program import Clip, Program, encode_clip
from stands.waiting import wait_until
from tg_video_streamer.control.status import ItemStatus, ServiceStatus, ServiceWarning
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.locales.message import Message

pytestmark = pytest.mark.skipif(bool(browser_missing()), reason=f"not installed: {browser_missing()}")

NASTY = "</title><script>document.title='owned'</script>\"'&<img src=x onerror=alert(1)> \u202egnp.exe 🎬"
PHONE_WIDTH = 360
DESKTOP_WIDTH = 1280


def troubled_status() -> ServiceStatus:
    """A service with one of every problem."""
    status = example_status()
    retrying = replace(
        status.outputs[0], state="retrying", bits_per_second=0.0, reconnects=4, error=Message.raw("connection refused")
    )
    return replace(
        status,
        healthy=False,
        problems=(Message.raw("output telegram is retrying: connection refused"),),
        warnings=(ServiceWarning(message=Message.raw("playlist.txt line 7: neither a file nor an address, skipped")),),
        outputs=(retrying, status.outputs[1]),
        session_state="expired",
        degraded=True,
        degraded_reason=Message.raw("the Telegram session has expired"),
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """One browser for all tests: each has a site of its own, at another port."""
    with chromium(tmp_path_factory.mktemp("browser") / "profile", width=DESKTOP_WIDTH) as browser:
        yield browser


@pytest.fixture
def browser(shared: WebDriver) -> Iterator[WebDriver]:
    """A light desktop's browser with one empty tab and no earlier messages."""
    set_screen(shared, width=DESKTOP_WIDTH, dark=False)
    console_errors(shared)
    yield shared
    first, *others = shared.window_handles
    for other in others:
        shared.switch_to.window(other)
        shared.close()
    shared.switch_to.window(first)
    shared.get("about:blank")


@contextmanager
def still_page(clip: Clip, status: ServiceStatus) -> Iterator[Site]:
    """The page of a program that does not advance."""
    program = Program(clip)
    program.publish(40)
    with served(program, status=status) as site:
        yield site


def text_of(browser: WebDriver, element: str) -> str:
    """The text of the element with that id; empty if it does not exist."""
    return str(browser.execute_script("return document.getElementById(arguments[0])?.innerText ?? ''", element))


def content_of(browser: WebDriver, element: str) -> str:
    """The same as it is written, whatever its style makes of it."""
    return str(browser.execute_script("return document.getElementById(arguments[0])?.textContent ?? ''", element))


def watch(browser: WebDriver, seconds: float) -> None:
    """Wait until the video has played that long, and has shown different pictures and decoded sound on the way."""
    wait_until(lambda: video_state(browser).time > 0.2, what="a picture that moves")
    first, state = video_picture(browser), video_state(browser)
    wait_until(lambda: video_state(browser).time > state.time + seconds, what=f"{seconds} s of play")
    later = video_state(browser)
    assert video_picture(browser) != first
    assert (later.width, later.height) == (320, 180)
    assert later.frames - state.frames > seconds * 25 * 0.8
    assert later.audio_bytes > state.audio_bytes
    assert later.error == ""


def test_picture_moves_from_the_first_moment(program: Program, browser: WebDriver, artifacts: Path) -> None:
    """The first visitor sees and hears the program, by the stream that starts at once; a screenshot is kept."""
    with served(program) as site:
        browser.get(site.url)
        watch(browser, 3.0)
        assert video_state(browser).source.endswith("/preview/live.mp4")
        wait_until(lambda: text_of(browser, "badge") == "On air", what="fresh numbers")
        save_screenshot(browser, artifacts / "page.png")
        assert console_errors(browser) == []


@pytest.mark.long
def test_native_hls_plays_on(program: Program, browser: WebDriver) -> None:
    """The browser's own HLS player plays the segments, over the end of the first list and the next."""
    with served(program) as site:
        browser.get(site.url + "?preview=hls")
        watch(browser, 8.0)
        assert video_state(browser).source.endswith("/preview/live.m3u8")
        browser.get(site.url)
        watch(browser, 1.0)
        assert video_state(browser).source.endswith("/preview/live.m3u8"), "a filled list comes first"
        assert console_errors(browser) == []


def test_picture_comes_back_after_the_service_did(clip: Clip, browser: WebDriver) -> None:
    """While the service is away the page says so; when it is back, the picture plays again."""
    with Program(clip) as program, served(program) as site:
        browser.get(site.url)
        watch(browser, 0.5)
        port = site.listener.port
    wait_until(lambda: text_of(browser, "badge").startswith("No connection since"), what="the truth")
    with Program(clip) as program, served(program, port=port, status=replace(example_status(), uptime_seconds=1)):
        wait_until(lambda: text_of(browser, "badge") == "On air", what="the service's return")
        watch(browser, 1.0)


def test_status_is_fresh_within_seconds(clip: Clip, browser: WebDriver) -> None:
    """State, item, problems and outputs update without a reload."""
    with still_page(clip, example_status()) as site:
        browser.get(site.url)
        wait_until(lambda: text_of(browser, "badge") == "On air", what="the badge")
        assert "Harbour at dawn" in text_of(browser, "now-title")
        assert not browser.find_elements(By.ID, "problems")
        item = ItemStatus(key="f" * 16, title="Evening news", is_live=True)
        site.status = replace(
            troubled_status(),
            channel_state="on_slate",
            reason=Message.raw("the source went silent"),
            now=item,
            paused=True,
        )
        wait_until(lambda: text_of(browser, "badge") == "Slate · problem", what="the new badge")
        assert "the source went silent" in text_of(browser, "reason")
        assert text_of(browser, "now-title") == "Evening news"
        assert text_of(browser, "position") == "12:34 · live"
        assert not browser.find_elements(By.ID, "progress")
        assert text_of(browser, "paused")
        assert "connection refused" in text_of(browser, "problems-list")
        wait_until(lambda: "line 7" in text_of(browser, "warnings-list"), what="the warning")
        assert "4 reconnects" in text_of(browser, "live-outputs")
        assert browser.title.startswith("Slate · problem")


def test_telegram_is_told_as_it_is(clip: Clip, browser: WebDriver, artifacts: Path) -> None:
    """Session, viewers, delivery, and degraded mode with its reason and remedy: as the server writes it and kept fresh."""
    status = example_status()
    outputs = (replace(status.outputs[0], name="telegram-1", kind="telegram", delivery="confirmed"), status.outputs[1])
    status = replace(status, outputs=outputs, session_state="valid", viewers=12)
    with still_page(clip, example_status()) as site:
        browser.get(site.url)
        assert not browser.find_elements(By.ID, "session")
        assert not browser.find_elements(By.ID, "degraded")
        site.status = status
        wait_until(lambda: text_of(browser, "viewers") == "12", what="the viewers")
        assert text_of(browser, "session") == "valid"
        assert "delivery confirmed: Telegram has it" in text_of(browser, "live-outputs")
        outputs = (replace(outputs[0], delivery="unconfirmed"), outputs[1])
        site.status = replace(
            status,
            outputs=outputs,
            session_state="expired",
            viewers=None,
            degraded=True,
            degraded_reason=Message.raw("it has expired"),
        )
        wait_until(lambda: text_of(browser, "badge") == "On air · no session", what="the badge")
        for _ in range(2):
            assert text_of(browser, "viewers") == "unknown"
            assert "it has expired\nrun: tg-video-streamer session renew" in text_of(browser, "degraded-list")
            assert "delivery unconfirmed: Telegram cannot be asked" in text_of(browser, "live-outputs")
            browser.refresh()
        save_screenshot(browser, artifacts / "page-degraded.png")
        assert console_errors(browser) == []


def test_hidden_page_asks_nothing(clip: Clip, browser: WebDriver) -> None:
    """While another tab is in front, the status is not fetched; back in front, it is fresh at once."""
    with still_page(clip, example_status()) as site:
        browser.get(site.url)
        wait_until(lambda: site.asked > 2, what="the page's refreshing")
        page = browser.current_window_handle
        browser.switch_to.new_window("tab")
        browser.get(site.url + "page.css")
        asked = site.asked
        # What must not happen can only be given time to happen: a page in front asks twice in this.
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 2.5, what="time for two refreshes")
        assert site.asked - asked <= 1, "one may have been under way"
        site.status = replace(site.status, streams_played=58)
        browser.switch_to.window(page)
        wait_until(lambda: text_of(browser, "played") == "58", what="fresh numbers")


def test_titles_are_shown_and_not_obeyed(clip: Clip, browser: WebDriver) -> None:
    """Script, markup, quotes and emoji in a title are text, in the server's page and in the fresh one; direction marks are gone."""
    item = ItemStatus(key="e" * 16, title=NASTY, duration_seconds=10)
    status = replace(example_status(), now=item, next_items=(item,), reason=Message.raw(NASTY))
    with still_page(clip, status) as site:
        browser.get(site.url)
        site.status = replace(status, streams_played=58)
        wait_until(lambda: text_of(browser, "played") == "58", what="fresh numbers")
        for element in ("now-title", "reason"):
            assert content_of(browser, element) == DisplayText(NASTY)
        assert DisplayText(NASTY) in content_of(browser, "live-next")
        assert browser.title == "On air"
        assert not browser.find_elements(By.CSS_SELECTOR, "img[src=x]")
        assert console_errors(browser) == []


def test_page_reads_without_scripts(clip: Clip, tmp_path: Path) -> None:
    """Without scripts the page shows everything, and how to update it."""
    with (
        still_page(clip, troubled_status()) as site,
        chromium(tmp_path / "profile", scripts=False) as browser,
    ):
        browser.get(site.url)
        text = browser.find_element(By.TAG_NAME, "body").text
        for wanted in (
            "On air · problem",
            "Harbour at dawn",
            "12:34 of 30:00",
            "connection refused",
            "Reload the page",
        ):
            assert wanted in text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_fits_a_phone(clip: Clip, browser: WebDriver, artifacts: Path, dark: bool) -> None:  # noqa: FBT001 - a parameter
    """Nothing is wider than a phone's screen, not even a title without spaces."""
    item = ItemStatus(key="a" * 16, title="Long_title_without_a_space" * 6, duration_seconds=1800)
    set_screen(browser, width=PHONE_WIDTH, dark=dark)
    with still_page(clip, replace(troubled_status(), now=item)) as site:
        browser.get(site.url)
        wait_until(lambda: video_state(browser).width > 0, what="a first picture")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE_WIDTH
        save_screenshot(browser, artifacts / f"page-phone-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize("size", ["180x320", "256x256", "320x180"])
def test_a_picture_of_any_shape_is_seen_whole(size: str, browser: WebDriver, tmp_path: Path) -> None:
    """An upright or square picture has its own shape from the start, not that of a wide one, and fits the screen."""
    clip = encode_clip(tmp_path, house_of(size, "-preset", "ultrafast"), seconds=2)
    for width in (PHONE_WIDTH, DESKTOP_WIDTH):
        set_screen(browser, width=width, dark=False)
        with still_page(clip, example_status()) as site:
            browser.get(site.url)
            box, before = _video_box(browser), browser.execute_script("return innerHeight")
            wait_until(lambda: video_state(browser).width > 0, what="a first picture")
            assert f"{video_state(browser).width}x{video_state(browser).height}" == size
            assert _video_box(browser) == pytest.approx(box, abs=1), "the page jumps when the picture comes"
            assert box[1] <= 0.75 * before + 1
            house = clip.house
            assert box[1] == pytest.approx(min(box[0] * house.height / house.width, 0.75 * before), abs=1)


def _video_box(browser: WebDriver) -> tuple[float, float]:
    """Width and height of the picture's place on the page."""
    box = browser.execute_script("return document.querySelector('video').getBoundingClientRect().toJSON()")
    return float(box["width"]), float(box["height"])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_is_accessible(clip: Clip, browser: WebDriver, dark: bool) -> None:  # noqa: FBT001 - a parameter
    """A page with every problem has no accessibility fault that axe finds."""
    set_screen(browser, width=DESKTOP_WIDTH, dark=dark)
    with still_page(clip, troubled_status()) as site:
        browser.get(site.url)
        wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, "#since time"), what="the page's own script")
        assert barriers(browser) == []
