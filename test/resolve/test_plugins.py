"""Plugins of yt-dlp: the real plugin, installed by its script, asks a provider; nothing that is not named is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stands.pot_provider import GIVEN, Provider
from tg_video_streamer.resolve import ytdlp_child
from tg_video_streamer.resolve.arguments import shared_words
from tg_video_streamer.resolve.plugins import Plugin, missing_plugins, plugin_folder, plugin_words

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "yt-dlp-plugins.sh"

ASK = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
log = child.Log()
ytdlp, _ = child.open_ytdlp(json.load(sys.stdin), log)
with ytdlp:
    youtube = ytdlp.get_info_extractor("Youtube")
    youtube.initialize()
    configuration = {"INNERTUBE_CONTEXT": {"client": {"clientName": "WEB", "clientVersion": "2"}}}
    token = youtube.fetch_po_token(
        client="web", ytcfg=configuration, visitor_data="VISITOR", video_id="BaW_jenozKc", required=True
    )
print(json.dumps({"got": token, "warnings": log.warnings}))
"""
"""Has yt-dlp's own YouTube extractor fetch a PO token, with the options that a download or a question gets."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release's environment into which the script has put the plugin."""
    release = tmp_path_factory.mktemp("release")
    python = release / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = _install(release, "bgutil")
    assert done.returncode == 0, done.stderr
    assert "YTDLP_PLUGINS=bgutil" in done.stdout
    return release / "venv"


def _install(release: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), "--release", str(release), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _token(words: tuple[str, ...]) -> dict[str, Any]:
    """What the extractor gets with these options of plugins."""
    request = {"words": [*shared_words(plugins=words), "--verbose"]}
    command = [sys.executable, "-I", "-c", ASK, str(Path(ytdlp_child.__file__))]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_real_plugin_gets_a_token_from_the_provider(environment: Path) -> None:
    """YTDLP_PLUGINS=bgutil and YTDLP_POT_URL: yt-dlp's YouTube extractor gets the provider's token."""
    with Provider("2.0.2").serving() as provider:
        found = _token(plugin_words([Plugin.BGUTIL], f"{provider.url}/", environment))
    assert found["got"] == GIVEN, found
    assert [asked["content_binding"] for asked in provider.asked] == ["VISITOR"]


def test_a_plugin_that_is_not_named_is_not_loaded(environment: Path) -> None:
    """The plugin is installed but YTDLP_PLUGINS does not name it: nobody asks the provider."""
    with Provider("2.0.2").serving() as provider:
        words = (
            *plugin_words([], provider.url, environment),
            f"--extractor-args=youtubepot-bgutilhttp:base_url={provider.url}",
        )
        assert _token(words)["got"] is None
    assert provider.asked == []


def test_a_provider_that_is_away_costs_a_warning(environment: Path) -> None:
    """Without an answer of the provider the extractor continues without a token, and says why."""
    provider = Provider("2.0.2")
    provider.end()
    found = _token(plugin_words([Plugin.BGUTIL], provider.url, environment))
    assert found["got"] is None
    assert any(provider.url in warning for warning in found["warnings"]), found


def test_a_failed_download_leaves_what_is_installed(environment: Path, tmp_path: Path) -> None:
    """Where pip cannot reach an index, the script fails, and the plugin that is there stays."""
    release = tmp_path / "release"
    shutil.copytree(environment, release / "venv")
    python = release / "venv" / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\nPIP_INDEX_URL=http://127.0.0.1:9 PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= PIP_RETRIES=0 exec {sys.executable} "$@"\n'
    )
    done = _install(release, "bgutil")
    assert done.returncode == 1
    assert "what was there stays" in done.stderr
    assert missing_plugins([Plugin.BGUTIL], release / "venv") == []
    assert sorted(path.name for path in plugin_folder(Plugin.BGUTIL, release / "venv").parent.iterdir()) == ["bgutil"]


def test_a_missing_plugin_loads_nothing(tmp_path: Path) -> None:
    """A named plugin that is not installed is reported, and yt-dlp runs without it."""
    assert missing_plugins([Plugin.BGUTIL], tmp_path) == [Plugin.BGUTIL]
    assert plugin_words([Plugin.BGUTIL], "http://127.0.0.1:4416", tmp_path) == ("--no-plugin-dirs",)


def test_unknown_plugins_are_refused(tmp_path: Path) -> None:
    """The script installs known plugins only."""
    assert _install(tmp_path, "anything").returncode == 2
