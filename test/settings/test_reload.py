"""Settings that are read again on air: what counts at once, what waits for a restart, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tg_video_streamer.errors import ControlError
from tg_video_streamer.logs import configure_logs
from tg_video_streamer.settings.reload import SettingsReload
from tg_video_streamer.settings.settings import Settings, load_settings


@pytest.fixture
def env_file(tmp_path: Path) -> Iterator[Path]:
    """A settings file with a long buffer; logging is set back afterwards, since a reload sets it."""
    path = tmp_path / ".env"
    path.write_text(f"STATE_DIR={tmp_path}/state\nBUFFER_SECONDS=20\n")
    path.chmod(0o600)
    yield path
    configure_logs()


def _reload(env_file: Path) -> tuple[SettingsReload, list[Settings]]:
    applied: list[Settings] = []
    reload = SettingsReload(load_settings(env_file, {}))
    reload.subscribe(applied.append)
    return reload, applied


def test_what_can_change_counts_at_once_and_the_rest_is_named(env_file: Path) -> None:
    """Of two changed keys one is put in force; the other stays as it was and is reported each time."""
    reload, applied = _reload(env_file)
    assert (reload.reload(), applied) == (None, [])
    env_file.write_text(env_file.read_text().replace("=20", "=5") + "VIDEO_QUALITY=480p\n")
    assert str(reload.reload()) == "settings now in force: BUFFER_SECONDS; after a restart: VIDEO_QUALITY"
    assert [(one.buffer_seconds, one.video_quality) for one in applied] == [(5.0, "720p")]
    assert str(reload.reload()) == "settings in force after a restart: VIDEO_QUALITY"


def test_wrong_settings_change_nothing(env_file: Path) -> None:
    """They are refused with what is wrong; a corrected file counts."""
    reload, applied = _reload(env_file)
    env_file.write_text(env_file.read_text().replace("=20", "=soon"))
    with pytest.raises(ControlError, match="BUFFER_SECONDS: must be a number"):
        reload.reload()
    assert applied == []
    env_file.write_text(env_file.read_text().replace("=soon", "=7"))
    assert str(reload.reload()) == "settings now in force: BUFFER_SECONDS"


def test_a_line_that_was_taken_out_does_not_come_back(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd had put into the environment from the same file is forgotten with the line: the default counts."""
    monkeypatch.setenv("BUFFER_SECONDS", "20")
    reload, applied = _reload(env_file)
    env_file.write_text(env_file.read_text().replace("BUFFER_SECONDS=20\n", ""))
    assert str(reload.reload()) == "settings now in force: BUFFER_SECONDS"
    assert applied[0].buffer_seconds == 15.0
