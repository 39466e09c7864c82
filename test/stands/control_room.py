"""A service on air with the loopback Telegram, and a browser that is signed in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from stands.clips import MINUTE
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import make_clip
from stands.secrets import never_shown_here
from stands.service import Service, running
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import USER_ID
from stands.waiting import wait_until

OPERATOR = "operators-token-for-the-browser"
VIEWER = "viewers-token-for-the-browser"
TITLES = ("Harbour at dawn", "Night train", "Market square")
NASTY = "</title><script>document.title='owned'</script>\"'&<img src=x onerror=alert(1)>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A running service and the Telegram that it streams to."""

    service: Service
    telegram: TelegramStand

    @property
    def url(self) -> str:
        """Of its first page, without the slash."""
        return f"http://127.0.0.1:{self.service.web_port}"

    @property
    def playlist(self) -> Path:
        """The file that the pages edit."""
        return self.service.folder / "playlist.txt"


@contextmanager
def on_air(folder: Path, **more: str) -> Iterator[Channel]:
    """A channel of three clips and a nasty title, with a session that works."""
    media = folder / "media"
    media.mkdir(parents=True)
    make_clip(media / "first.mp4", MINUTE)
    for name in ("clip-2", "clip-3", "clip-4", "by-hand"):
        (media / f"{name}.mp4").symlink_to("first.mp4")
    lines = [f"{media}/first.mp4 | title={TITLES[0]}"]
    lines += [
        f"{media}/clip-{number}.mp4 | title={title}" for number, title in ((2, TITLES[1]), (3, TITLES[2]), (4, NASTY))
    ]
    with NginxRtmp(folder / "nginx") as nginx, TelegramStand() as telegram:
        telegram.do(lambda: setattr(telegram.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", "telegram-key")))
        place = folder / "service"
        place.mkdir()
        (place / "playlist.txt").write_text("".join(f"{line}\n" for line in lines))
        settings = telegram.settings(telegram.session_string(USER_ID)) | {
            "CHAT_ID": "@testchan",
            "PLAYLIST": str(place / "playlist.txt"),
            "MEDIA_DIRS": str(media),
            "VIDEO_SIZE": "320x180",
            "FRAME_RATE": "25",
            "FFMPEG_ARGS": "-preset ultrafast",
            "OUTPUTS": f"telegram {nginx.url('plain-key')}",
            "WEB_TOKEN": OPERATOR,
            "WEB_VIEWER_TOKEN": VIEWER,
            **more,
        }
        never_shown_here(OPERATOR)
        with running(place, settings) as service:
            service.wait_on_air()
            yield Channel(service=service, telegram=telegram)


def sign_in(browser: WebDriver, channel: Channel, token: str = OPERATOR) -> None:
    """Sign in by the form."""
    browser.get(f"{channel.url}/login")
    browser.find_element(By.ID, "token").send_keys(token)
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    wait_until(lambda: browser.find_elements(By.CSS_SELECTOR, 'form[action="/logout"]'), what="signed in")


def set_screen(browser: WebDriver, *, width: int, dark: bool) -> None:
    """Set the screen's width and color scheme."""
    viewport = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", viewport)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


def save_screenshot(browser: WebDriver, path: Path) -> None:
    """Save the whole page."""
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(taken["data"]))


def barriers(browser: WebDriver) -> list[str]:
    """The accessibility faults that axe finds, one line each."""
    axe = (files("selenium_axe_python") / "axe-core" / "axe.min.js").read_text()
    # Not by the page: its policy lets no foreign script in.
    browser.execute_script(axe)
    found: list[dict[str, Any]] = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document).then((found) => done(found.violations));"
    )
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]]
