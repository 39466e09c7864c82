"""The processes of a worker: a real encode that is the channel's own, and an end for the one that stands still."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from stands.numbered import Plan, make_clip
from tg_video_streamer.app.feeds import library_of, preparation_of
from tg_video_streamer.app.shared_encodes import JOB_SETTINGS
from tg_video_streamer.app.startup import Prepared, prepare
from tg_video_streamer.app.worker import JobRunner
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import JobFailed, WorkerStalled
from tg_video_streamer.fleet.jobs import EncodeJob, FileSeen
from tg_video_streamer.library.library import Grade
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.settings.settings import LoadedSettings, Settings, load_settings


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedSettings:
    """Of a host that is channel and worker, with a store in a folder."""
    for name in ("store", "media", "list"):
        (tmp_path / name).mkdir()
    clip = make_clip(tmp_path / "made.mkv", Plan(item_id=1, frames=75))
    # A link would lead out of the allowed folders.
    shutil.copyfile(clip, tmp_path / "media" / "film.mkv")
    (tmp_path / "list" / "playlist.txt").write_text("")
    values = {
        "HOME": str(tmp_path),
        "PLAYLIST": str(tmp_path / "list" / "playlist.txt"),
        "MEDIA_DIRS": str(tmp_path / "media"),
        "STATE_DIR": str(tmp_path / "state"),
        "FLEET": "nats://127.0.0.1",
        "CHANNEL": "tv",
        "FLEET_STORE": (tmp_path / "store").as_uri(),
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "PREPARE_PRESET": "ultrafast",
    }
    for key, value in values.items():
        monkeypatch.setenv(key, value)
    return load_settings(None, values)


async def _prepared(settings: Settings) -> Prepared:
    async with asyncio.TaskGroup() as background:
        prepared = await prepare(settings, background, demo=False)
        prepared.cancel()
    return prepared


def _job(item: Item, settings: Settings, prepared: Prepared) -> EncodeJob:
    headers = prepared.slate.headers
    return EncodeJob.of(
        item,
        settings=settings.model_dump(mode="json", include=set(JOB_SETTINGS)),
        headers=(headers.video, headers.audio),
        logo="",
    )


def _nothing(_done: float, _whole: float | None) -> None:
    return


async def test_a_worker_makes_the_encode_that_the_channel_looks_for(loaded: LoadedSettings, tmp_path: Path) -> None:
    """Its key is the one that the channel would give, all frames are there, and it lies in the store; other headers are refused."""
    settings, film = loaded.settings, Item(LocatorKind.FILE, str(tmp_path / "media" / "film.mkv"))
    prepared = await _prepared(settings)
    jobs = JobRunner(loaded, tmp_path / "worker", 1)
    done: list[float] = []
    encoded = await jobs.encode(_job(film, settings, prepared), lambda seconds, _whole: done.append(seconds))
    assert done
    library = library_of(settings, prepared, SystemClock(), preparation_of(settings, prepared))
    assert library is not None
    assert encoded.key == library.key_of(film, encoded.source_id, grade=Grade.PREPARED)
    assert (tmp_path / "store" / "encodes" / encoded.key).stat().st_size > 10_000
    other = settings.model_copy(update={"video_size": "480x270"})
    with pytest.raises(JobFailed, match="headers"):
        await jobs.encode(_job(film, other, prepared), _nothing)
    missing = Item(LocatorKind.FILE, str(tmp_path / "media" / "missing.mkv"))
    with pytest.raises(JobFailed, match="missing"):
        await jobs.encode(_job(missing, settings, prepared), _nothing)


async def test_an_encode_that_stands_still_is_killed(loaded: LoadedSettings, tmp_path: Path) -> None:
    """A frozen process is ended with everything it has started, and one that dies says how."""
    film = Item(LocatorKind.FILE, str(tmp_path / "media" / "film.mkv"))
    job = _job(film, loaded.settings, await _prepared(loaded.settings))
    jobs = JobRunner(loaded, tmp_path / "worker", 1, stall_seconds=1.0, start_up_seconds=1.0)
    for number, said in ((signal.SIGSTOP, "no progress"), (signal.SIGKILL, "code -9")):
        encoding = asyncio.ensure_future(jobs.encode(job, _nothing))
        child = await _child()
        os.kill(child, number)
        with pytest.raises(WorkerStalled, match=said):
            await encoding
        assert not psutil.pid_exists(child)


async def _child() -> int:
    """The process that encodes, once it runs Python."""
    async with asyncio.timeout(30):
        while True:
            for child in psutil.Process().children():
                if "encode_job" in " ".join(child.cmdline()) and "python" in child.exe():
                    return child.pid
            await asyncio.sleep(0.01)


async def test_a_worker_sees_only_the_very_file_in_its_own_folders(loaded: LoadedSettings, tmp_path: Path) -> None:
    """Another size or time, a missing file, and one outside MEDIA_DIRS are not seen."""
    jobs = JobRunner(loaded, tmp_path / "worker", 1)
    path = tmp_path / "media" / "film.mkv"
    stat = path.stat()
    here = FileSeen(path=str(path), size=stat.st_size, modified_ns=stat.st_mtime_ns)
    assert await jobs.sees(here)
    outside = tmp_path / "secret.mkv"
    outside.write_bytes(b"x")
    (tmp_path / "media" / "link.mkv").symlink_to(outside)
    for other in (
        FileSeen(path=here.path, size=here.size + 1, modified_ns=here.modified_ns),
        FileSeen(path=here.path, size=here.size, modified_ns=0),
        FileSeen(path=f"{here.path}.gone", size=here.size, modified_ns=here.modified_ns),
        *(
            FileSeen(path=str(one), size=1, modified_ns=outside.stat().st_mtime_ns)
            for one in (outside, tmp_path / "media" / "link.mkv")
        ),
    ):
        assert not await jobs.sees(other)
