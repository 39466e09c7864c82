"""The shipped NATS configuration: a host can do its work, and nothing to other channels or to the buckets."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from stands.nats_server import NatsServer, nats_program
from stands.waiting import wait_until
from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.connection import FleetConnection, connected
from tg_video_streamer.fleet.hosts import STANDBY, HostReport, HostReports, move_subject
from tg_video_streamer.fleet.jobs import (
    ASK_SUBJECT,
    EncodeJob,
    FileSeen,
    JobReports,
    JobState,
    ask_message,
    job_subject,
    make_stream,
)
from tg_video_streamer.fleet.lease import Holder
from tg_video_streamer.fleet.lease_bucket import LEASES, NatsLeaseBucket
from tg_video_streamer.fleet.replicated_state import ReplicatedState
from tg_video_streamer.fleet.worker import Encoded, FarmWorker, Progressed
from tg_video_streamer.playlist.item import Item, LocatorKind

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nats"
PASSWORDS = {
    "ONE_PASSWORD": "a-password",
    "TWO_PASSWORD": "another",
    "WORKER_PASSWORD": "a-fourth",
    "CLUSTER_PASSWORD": "a-third",
    "NATS_NAME": "n1",
}
HOLDER = Holder(host="one", process="p", place="q", epoch=1)


@pytest.mark.parametrize("name", ["single.conf", "cluster.conf"])
def test_nats_takes_the_shipped_files(name: str, tmp_path: Path) -> None:
    """The server finds each of them right."""
    for one in SHIPPED.iterdir():
        shutil.copy(one, tmp_path)
    done = subprocess.run(
        [nats_program(), "-t", "-c", str(tmp_path / name)], capture_output=True, text=True, check=False, env=PASSWORDS
    )
    assert done.returncode == 0, done.stderr


async def test_a_host_can_do_its_work_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes the buckets, and writes lease, state and report of its channel; another channel's it cannot, nor delete a bucket."""
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    server = NatsServer(tmp_path / "nats", more="include accounts.conf")
    shutil.copy(SHIPPED / "accounts.conf", server.folder)
    with server:
        address = fleet_address(server.url, "one:a-password", None)
        async with connected(address, host="one") as connection:
            lease = NatsLeaseBucket(connection, "tv")
            assert (await lease.read()).holder is None
            await lease.write(HOLDER, 0)
            assert (await lease.read()).holder == HOLDER
            folder = tmp_path / "state"
            folder.mkdir()
            (folder / "position.json").write_text("1")
            await ReplicatedState(connection, "tv", folder, lambda: 1).copy()
            (folder / "position.json").write_text("2")
            await ReplicatedState(connection, "tv", folder, lambda: 1).restore()
            assert (folder / "position.json").read_text() == "1"
            reports = HostReports(connection)
            await reports.say(HostReport(channel="tv", host="one", role=STANDBY, state="", version="1"))
            assert [one.host for one in await reports.all()] == ["one"]

            async def answer(message: object) -> None:
                await message.respond(b"moving")  # type: ignore[attr-defined] # a message of NATS

            await connection.client.subscribe(move_subject("tv"), cb=answer)
            assert (await connection.client.request(move_subject("tv"), b"two", timeout=5)).data == b"moving"

            with pytest.raises(FleetUnreachable):
                await NatsLeaseBucket(connection, "radio").write(HOLDER, 0)
            with pytest.raises(NatsError):
                await connection.jetstream().delete_key_value(LEASES)
            with pytest.raises(NatsError):
                await connection.jetstream().purge_stream(f"KV_{LEASES}")
            assert (await lease.read()).holder == HOLDER


async def test_who_has_no_password_gets_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password is a clear error, in a few seconds."""
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    server = NatsServer(tmp_path / "nats", more="include accounts.conf")
    shutil.copy(SHIPPED / "accounts.conf", server.folder)
    with server:
        with pytest.raises(FleetUnreachable):
            async with connected(fleet_address(server.url, "one:wrong", None), host="one"):
                pass
        wait_until(lambda: "authentication error" in (server.folder / "nats.log").read_text(), what="a refusal")


async def test_the_farm_works_with_the_shipped_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host gives a job, a worker takes it and says what came of it; a worker touches no lease."""
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    server = NatsServer(tmp_path / "nats", more="include accounts.conf")
    shutil.copy(SHIPPED / "accounts.conf", server.folder)
    job = EncodeJob.of(Item(LocatorKind.URL, "http://a.example/film"), settings={}, headers=(b"", b""), logo="")

    async def encode(_job: EncodeJob, _progressed: Progressed) -> Encoded:
        return Encoded(key="k", source_id="s", title="film", duration_seconds=None)

    async def no_file(_file: FileSeen) -> bool:
        return False

    with server:
        async with connected(fleet_address(server.url, "one:a-password", None), host="one") as host:
            signs_in = fleet_address(server.url, "worker:a-fourth", None)
            worker = FarmWorker(
                FleetConnection(signs_in, host="w"), "w", places=1, encode=encode, sees=no_file, logo=""
            )
            running = asyncio.ensure_future(worker.run())
            async with asyncio.timeout(60):
                while not await host.ask_all(ASK_SUBJECT, ask_message(None, "")):
                    pass
                await make_stream(host)
                await host.jetstream().publish(job_subject("w", 1), job.encode())
                while (report := await JobReports(host).read(job.id)) is None or report.state is not JobState.DONE:  # noqa: ASYNC110 - a bucket has no event
                    await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.wait((running,))
            async with connected(signs_in, host="w") as connection:
                with pytest.raises(FleetUnreachable):
                    await NatsLeaseBucket(connection, "tv").write(HOLDER, 0)
