"""The state file between two starts: private, whole, and never a reason to stop."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tg_video_streamer.telegram.client.state_file import NAME, TelegramState


def test_kept_and_private(tmp_path: Path) -> None:
    """A record is there after a restart, for its owner only, and an empty one is forgotten."""
    store = TelegramState(tmp_path)
    store.put("stream", {"url": "u", "key": "k"})
    store.put("account", {"user_id": 7})
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    again = TelegramState(tmp_path)
    assert again.get("stream") == {"url": "u", "key": "k"}
    again.put("stream", {})
    assert TelegramState(tmp_path).get("stream") == {}
    assert TelegramState(tmp_path).get("account") == {"user_id": 7}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[]", b'{"stream": 3}', b"[" * 100_000])
def test_damaged(tmp_path: Path, content: bytes) -> None:
    """A damaged file counts as empty and is written again."""
    (tmp_path / NAME).write_bytes(content)
    store = TelegramState(tmp_path)
    assert store.get("stream") == {}
    store.put("stream", {"key": "k"})
    assert TelegramState(tmp_path).get("stream") == {"key": "k"}


def test_cannot_be_written(tmp_path: Path) -> None:
    """Where it cannot be written it is known until the end, and what was there before stays whole."""
    folder = tmp_path / "state"
    folder.mkdir()
    TelegramState(folder).put("stream", {"key": "old"})
    store = TelegramState(folder)
    folder.rename(tmp_path / "gone")
    store.put("stream", {"key": "new"})
    assert store.get("stream") == {"key": "new"}
    assert TelegramState(tmp_path / "gone").get("stream") == {"key": "old"}
