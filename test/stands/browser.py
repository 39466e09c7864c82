"""Debian's Chromium, driven through its own chromedriver: a fresh profile each time, and nothing that reaches out.

Use in a test::

    with chromium(tmp_path / "profile", width=1280, height=800) as browser:
        browser.get(url)
        wait_until(lambda: video_state(browser).time > 1, what="a moving picture")
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # containers forbid the namespaces that the sandbox is made of
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--mute-audio",
    "--hide-scrollbars",  # they would take width from the viewport that a test asks for
    "--autoplay-policy=no-user-gesture-required",
    # Every name but the loopback's leads nowhere: a page that tries to reach out fails, visibly.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoState:
    """What a page's first <video> says of itself."""

    time: float
    """Position in seconds."""
    width: int
    height: int
    frames: int
    """Pictures shown so far."""
    dropped: int
    """Of these, pictures that came too late to be seen."""
    audio_bytes: int
    """Bytes of sound that were decoded: more than 0 where there is a sound track."""
    error: str
    source: str
    """The address that the browser chose."""


def browser_missing() -> str:
    """Which of the two programs is not installed; empty where both are."""
    return ", ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)


@contextmanager
def chromium(
    profile: Path, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True
) -> Iterator[WebDriver]:
    """A browser with a viewport of `width` x `height`, closed at the end; `profile` is an empty folder of its own."""
    options = Options()
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        preferences = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", preferences)
    # With the driver's path given, selenium has nothing to look for on the network.
    driver = webdriver.Chrome(options=options, service=Service(executable_path=shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(90)
        driver.set_script_timeout(90)
        # The window's size is not the viewport's, and windows have a least width: this sets the viewport itself.
        viewport = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", viewport)
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        yield driver
    finally:
        driver.quit()


def video_state(browser: WebDriver) -> VideoState:
    """The state of the page's first <video>, now."""
    state: dict[str, Any] = browser.execute_script(
        """
        const video = document.querySelector("video");
        const quality = video.getVideoPlaybackQuality();
        return {
          time: video.currentTime, width: video.videoWidth, height: video.videoHeight,
          frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
          audio_bytes: video.webkitAudioDecodedByteCount ?? 0,
          error: video.error ? `${video.error.code} ${video.error.message}` : "", source: video.currentSrc,
        };
        """
    )
    return VideoState(**state)


def video_picture(browser: WebDriver) -> str:
    """The picture that the first <video> shows now, as a data URL of a small PNG; equal pictures give equal text."""
    picture: str = browser.execute_script(
        """
        const video = document.querySelector("video");
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [160, 90];
        canvas.getContext("2d").drawImage(video, 0, 0, 160, 90);
        return canvas.toDataURL();
        """
    )
    return picture


def console_errors(browser: WebDriver) -> list[str]:
    """What the page's console says is wrong since the last time it was asked: scripts, refused resources, policies."""
    entries: list[dict[str, str]] = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's own
    return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
