"""Plugins of yt-dlp: which are known, where their files lie, and the options that load the named ones only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

FOLDER_NAME = "yt-dlp-plugins"
"""In the environment; `scripts/yt-dlp-plugins.sh` puts the wheels there, and yt-dlp imports them from there."""


class Plugin(StrEnum):
    """The values of YTDLP_PLUGINS."""

    BGUTIL = "bgutil"
    """Gets YouTube's PO tokens from a provider (YTDLP_POT_URL)."""


def plugin_folder(plugin: Plugin, environment: Path = Path(sys.prefix)) -> Path:
    """Where the wheel of a plugin lies."""
    return environment / FOLDER_NAME / plugin


def missing_plugins(plugins: Sequence[Plugin], environment: Path = Path(sys.prefix)) -> list[Plugin]:
    """The named plugins that are not installed."""
    return [plugin for plugin in plugins if not any(plugin_folder(plugin, environment).glob("*.whl"))]


def plugin_words(
    plugins: Sequence[Plugin], provider_url: str = "", environment: Path = Path(sys.prefix)
) -> tuple[str, ...]:
    """yt-dlp's options for the named plugins that are installed; nothing else that lies in the environment is loaded.

    `provider_url`: of the PO token provider.
    """
    there = [plugin for plugin in plugins if plugin not in missing_plugins(plugins, environment)]
    words = ["--no-plugin-dirs", *(f"--plugin-dirs={plugin_folder(plugin, environment)}" for plugin in there)]
    if Plugin.BGUTIL in there and provider_url:
        words.append(f"--extractor-args=youtubepot-bgutilhttp:base_url={provider_url.rstrip('/')}")
    return tuple(words)
