"""Degraded mode: a lost session is reported once, retried in cycles, and replaced by a new string or by the spare."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from stands.called_site import called_site
from stands.clips import MINUTE
from stands.flv_record import whole_tags
from stands.live_channel import KEY, LiveChannel
from stands.machine import Stopwatch
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import make_clip
from stands.program import Clip
from stands.received import arrived, decoded_pictures, difference, pictures
from stands.recording import read_recording, slot_faults
from stands.service import running
from stands.telegram_dc.server import StreamState, TelegramStand
from stands.telegram_dc.world import API_HASH, SECOND_USER_ID, USER_ID
from stands.waiting import wait_until
from tg_video_streamer.errors import (
    SessionAbsent,
    SessionEnded,
    SessionEnding,
    SessionError,
    SessionRestricted,
    SessionUnreachable,
)
from tg_video_streamer.events import DegradedChanged, Event, SessionRenewed
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.session.keeper import SessionChange, SessionKeeper, ending_name
from tg_video_streamer.telegram.session.renewal import Renewal, SessionSettings
from tg_video_streamer.telegram.session.state import TRANSITIONS, SessionState

WARNING = "Degraded mode; SESSION_STRING invalid; run: python test/auto_session_runner.py --write-env"
DAY = 24 * 3600.0


# In virtual time


@dataclass
class Line:
    """A connected account, as far as the renewal uses it."""

    user_id: int
    session: str
    closed: bool = False
    watcher: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    restricted: Callable[[SessionRestricted | None], None] = lambda _why: None

    def on_restriction(self, act: Callable[[SessionRestricted | None], None]) -> None:
        """See Account."""
        self.restricted = act

    async def close(self) -> None:
        """Hang up."""
        self.closed = True


@dataclass
class Months:
    """Keeper and renewal in a time that passes only by waiting; `answers` says what Telegram makes of each string."""

    folder: Path
    answers: dict[str, int | SessionError] = field(default_factory=dict)
    """The user id, or the error."""
    session: str = "first"
    spare: str = ""
    now: float = 1_000_000.0
    tries: list[tuple[float, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    came: list[str] = field(default_factory=list)
    went: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    after_wait: Callable[[], bool] = lambda: False
    """Called as a wait between cycles begins; True ends it at once, as a change of the file does."""
    ended: Callable[[SessionEnded], None] = lambda _ending: None

    def monotonic(self) -> float:
        """See Clock."""
        return self.now

    def wall(self) -> float:
        """See Clock."""
        return self.now

    def renewal(self) -> Renewal:
        """A new one, as after a restart."""
        return Renewal(
            read=self._read,
            write=self._write,
            connect=cast("Any", self._connect),
            store=TelegramState(self.folder),
            clock=self,
            notify=lambda message, **_topic: self.alerts.append(message.text),
            sleep=self._sleep,
        )

    def keeper(self) -> SessionKeeper:
        """The one under test."""
        keeper = SessionKeeper(
            renewal=self.renewal(),
            changed=self._changed,
            clock=self,
            publish=self.events.append,
            command="renew it",
        )
        keeper.subscribe(self._session_changed)
        return keeper

    async def until(self, keeper: SessionKeeper, fact: Callable[[], object]) -> None:
        """Run the keeper until the fact is there."""
        task = asyncio.get_running_loop().create_task(keeper.run())
        deadline = time.monotonic() + 250  # hours of virtual time take seconds of computing
        while not (found := fact()) and not task.done():
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled(), task
        assert found

    def _read(self) -> SessionSettings:
        credentials = Credentials(api_id=1, api_hash="hash", session=self.session)
        return SessionSettings(credentials=credentials, spare=self.spare)

    def _write(self, changes: Any) -> None:
        self.session, self.spare = changes["SESSION_STRING"], changes["SESSION_STRING_SPARE"]

    async def _connect(self, credentials: Credentials, ended: Callable[[SessionEnded], None]) -> Line:
        self.tries.append((self.now, credentials.session))
        answer = self.answers[credentials.session]
        if isinstance(answer, SessionError):
            raise answer
        self.ended = ended
        self.lines.append(Line(user_id=answer, session=credentials.session))
        return self.lines[-1]

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds

    async def _changed(self, seconds: float) -> bool:
        await asyncio.sleep(0)
        if self.after_wait():
            return True
        self.now += seconds
        return False

    async def _session_changed(self, change: SessionChange) -> None:
        if change.account is not None:
            self.came.append(cast("Any", change.account).session)
        elif not change.retrying:
            self.went.append(str(change.why))


def ended(ending: SessionEnding = SessionEnding.EXPIRED) -> SessionEnded:
    """How a session ended."""
    return SessionEnded("the Telegram session has expired", ending=ending, remedy="renew it")


@pytest.fixture
def months(tmp_path: Path) -> Months:
    """With a first session of USER_ID that works."""
    return Months(folder=tmp_path, answers={"first": USER_ID})


async def test_cycles(months: Months) -> None:
    """Cycles begin 60 s apart, each with three tries and growing pauses, without end; it is reported once."""
    months.answers["first"] = ended()
    keeper = months.keeper()
    await months.until(keeper, lambda: len(months.tries) >= 60)
    times = [at - months.tries[0][0] for at, _ in months.tries[:60]]
    assert times[::3] == pytest.approx([60.0 * number for number in range(20)])
    for index in range(0, 60, 3):
        first, second = (later - earlier for earlier, later in pairwise(times[index : index + 3]))
        assert 0 < first < second < 20
    assert (keeper.state, keeper.degraded) in {(SessionState.EXPIRED, True), (SessionState.RENEWING, True)}
    assert [event for event in months.events if isinstance(event, DegradedChanged)] == [
        DegradedChanged(wall=1_000_003.0, active=True, ending="expired", command="renew it")
    ]
    assert len(months.went) == 1
    assert keeper.degraded_seconds == pytest.approx(months.now - 1_000_003.0)


async def test_changed_file_is_tried_at_once(months: Months) -> None:
    """A new string in the settings ends degraded mode without a wait."""
    months.answers |= {"first": ended(), "second": USER_ID}

    def edit() -> bool:
        months.session = "second"
        return True

    months.after_wait = edit
    keeper = months.keeper()
    await months.until(keeper, lambda: months.came)
    assert months.tries[-1] == (1_000_003.0, "second")
    assert not keeper.degraded
    assert keeper.reason is None
    assert [type(event) for event in months.events] == [DegradedChanged, SessionRenewed, DegradedChanged]
    assert dict(keeper.renewals) == {"failed": 1, "session": 1}


async def test_spare_once_a_day(months: Months) -> None:
    """The spare takes over at once, is announced, and another one is not used before a day is over, whatever restarts."""
    await months.until(months.keeper(), lambda: months.came)
    months.answers |= {"first": ended(), "spare": USER_ID, "other spare": USER_ID}
    months.spare = "spare"
    keeper = months.keeper()
    await months.until(keeper, lambda: months.came[1:])
    assert (months.session, months.spare) == ("spare", "")
    assert months.tries[1:] == [(1_000_000.0, "first"), (1_000_000.0, "spare")]
    assert SessionRenewed(wall=1_000_000.0, by_spare=True) in months.events
    assert dict(keeper.renewals) == {"spare": 1}

    months.answers["spare"] = ended(SessionEnding.REVOKED)
    months.spare = "other spare"
    months.now += 3600
    await months.until(months.keeper(), lambda: months.came[2:])
    first = next(at for at, session in months.tries if session == "other spare")
    assert DAY <= first - 1_000_000.0 < DAY + 61
    assert months.session == "other spare"


async def test_clock_set_back_brings_no_second_spare(months: Months) -> None:
    """A host clock that goes back an hour does not shorten the day."""
    await months.until(months.keeper(), lambda: months.came)
    months.answers |= {"first": ended(), "spare": USER_ID, "other spare": USER_ID}
    months.spare = "spare"
    await months.until(months.keeper(), lambda: months.came[1:])
    months.answers["spare"] = ended()
    months.spare = "other spare"
    months.now -= 3600
    await months.until(months.keeper(), lambda: len(months.tries) > 10)
    assert "other spare" not in {session for _, session in months.tries}


@pytest.mark.parametrize("known", [True, False])
async def test_spare_of_another_account(months: Months, known: bool) -> None:  # noqa: FBT001 - a parameter
    """A spare of another account, or of one that cannot be compared, never takes over."""
    if known:
        await months.until(months.keeper(), lambda: months.came)
    months.answers |= {"first": ended(), "spare": SECOND_USER_ID if known else USER_ID}
    months.spare = "spare"
    came = len(months.came)
    tries = len(months.tries)
    await months.until(months.keeper(), lambda: len(months.tries) > tries + 6)
    assert (months.session, months.spare) == ("first", "spare")
    assert len(months.came) == came
    assert bool(months.alerts) is known


async def test_trouble_of_the_network_is_no_end(months: Months) -> None:
    """A network that is gone, or FLOOD_WAIT, degrades nothing; the seconds that Telegram names are waited for."""
    months.answers["first"] = SessionUnreachable("FLOOD_WAIT", seconds=500.0)
    keeper = months.keeper()
    await months.until(keeper, lambda: len(months.tries) >= 4)
    assert months.tries[3][0] - months.tries[2][0] == pytest.approx(500.0)
    assert (keeper.degraded, months.went, months.events) == (False, [], [])
    assert keeper.state is SessionState.RENEWING


FROZEN = SessionRestricted("Telegram refuses the account", word="FROZEN_METHOD_INVALID", seconds=300.0, remedy="appeal")


async def test_a_restricted_account_is_asked_slowly(months: Months) -> None:
    """An account that Telegram restricts has a state of its own: one try in so many seconds, nothing degraded, and why."""
    months.answers |= {"first": FROZEN, "spare": USER_ID}
    months.spare = "spare"
    keeper = months.keeper()
    seen: set[SessionState] = set()

    def fourth() -> bool:
        seen.add(keeper.state)
        return len(months.tries) >= 4

    await months.until(keeper, fourth)
    times = [at for at, _ in months.tries]
    assert [later - earlier for earlier, later in pairwise(times)] == [300.0] * 3
    assert {session for _, session in months.tries} == {"first"}
    assert SessionState.RESTRICTED in seen
    assert (keeper.degraded, months.went, months.events) == (False, [], [])
    assert keeper.renewals["restricted"] >= 3
    assert months.alerts == ["Telegram refuses the account; appeal"]


async def test_an_odd_refusal_is_asked_again_soon(months: Months) -> None:
    """One refusal is asked again soon; the next ones in a row are asked slowly, and the first of these is reported."""
    odd = SessionRestricted("Telegram refuses the account", word="A_NEW_WORD", seconds=10.0, lasting_seconds=300.0)
    months.answers |= {"first": odd}
    keeper = months.keeper()
    await months.until(keeper, lambda: len(months.tries) >= 4)
    times = [at for at, _ in months.tries]
    assert [later - earlier for earlier, later in pairwise(times)] == [10.0, 300.0, 300.0]
    assert months.alerts == ["Telegram refuses the account"]


async def test_a_restriction_comes_and_goes(months: Months) -> None:
    """A session that works is restricted and free again as Telegram answers; it is said meanwhile, and it stays."""
    keeper = months.keeper()

    def comes_and_goes() -> bool:
        if not months.came:
            return False
        months.lines[0].restricted(FROZEN)
        assert keeper.state is SessionState.RESTRICTED
        assert [str(one) for one in keeper.warnings()] == ["Telegram refuses the account; appeal"]
        months.lines[0].restricted(None)
        assert (keeper.state, keeper.warnings()) == (SessionState.VALID, [])
        return True

    await months.until(keeper, comes_and_goes)
    assert (months.came, months.went, keeper.degraded) == (["first"], [], False)


async def test_a_restricted_spare_does_not_hide_the_end(months: Months) -> None:
    """Where the session has ended and the spare is restricted, the end is what people read."""
    await months.until(months.keeper(), lambda: months.came)
    months.answers |= {"first": ended(), "spare": FROZEN}
    months.spare = "spare"
    keeper = months.keeper()
    await months.until(keeper, lambda: keeper.degraded)
    assert "expired" in str(keeper.reason)


async def test_no_session_string(months: Months) -> None:
    """Without SESSION_STRING nothing is tried, no spare takes its place, and the service is degraded."""
    months.session, months.spare = "", "spare"
    keeper = months.keeper()
    await months.until(keeper, lambda: keeper.state is SessionState.ABSENT and months.now > 1_000_100.0)
    assert months.tries == []
    assert keeper.degraded


async def test_spare_is_touched_once_a_day(months: Months) -> None:
    """The spare is used once a day, a new one at once, and an unusable one is reported."""
    months.spare = "spare"
    months.answers["spare"] = USER_ID
    renewal = months.renewal()
    await renewal.cycle(lambda _ending: None)
    for _ in range(10 * 24):
        months.now += 3600
        await renewal.touch_spare()
    assert 9 <= sum(session == "spare" for _, session in months.tries) <= 11
    assert months.alerts == []
    months.spare = "new spare"
    months.answers["new spare"] = ended()
    await renewal.cycle(lambda _ending: None)
    await renewal.touch_spare()
    assert months.tries[-1] == (months.now, "new spare")
    assert "unusable" in months.alerts[0]


@pytest.mark.parametrize("ending", SessionEnding)
def test_each_ending_has_its_name(ending: SessionEnding) -> None:
    """The ERROR begins with a name such as SessionExpired."""
    assert ending_name(ended(ending)) == "Session" + ending.title().replace("_", "")
    assert ending_name(SessionAbsent("none")) == "SessionAbsent"


def test_session_states_are_as_drawn() -> None:
    """The drawing in the docstring is the table."""
    drawn: dict[str, set[str]] = {state: set() for state in SessionState}
    for source, targets in re.findall(r"(\w+) ──► ((?:\w+(?:, )?)+)", SessionState.__doc__ or ""):
        drawn[source] |= set(targets.split(", "))
    assert drawn == {state: set(targets) for state, targets in TRANSITIONS.items()}


# On the loopback Telegram


@pytest.fixture
def channel(tmp_path: Path, house_clip: Clip) -> Iterator[LiveChannel]:
    """A channel with Telegram's word that the stream arrives."""
    with LiveChannel(tmp_path, house_clip) as made:
        made.stand.do(lambda: setattr(made.stand.world, "stream", StreamState.ADVANCING))
        yield made


def no_secrets(channel: LiveChannel, *secrets: str) -> None:
    """None of them stands in any log line or event."""
    seen = f"{channel.logs} {channel.events}"
    assert not [secret for secret in (*secrets, KEY, API_HASH) if secret and secret in seen]


def test_two_cycles_and_a_new_string(channel: LiveChannel) -> None:
    """Through two cycles of degraded mode, ended by an edit of `.env`, the RTMP stream loses no frame."""
    old, new = channel.stand.session_string(), channel.stand.session_string()
    key_of_new = channel.stand.do(lambda: list(channel.stand.world.keys.values())[-1])
    channel.write_env(old)
    channel.start(cycle_seconds=4.0)
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
    channel.stand.revoke_all(401, "SESSION_REVOKED", announce=True)
    channel.stand.do(lambda: setattr(key_of_new, "revoked", None))
    channel.until(lambda: channel.parts.facts().degraded, "degraded")
    channel.until(lambda: channel.parts.facts().session_renewals.get("failed") == 2, "two cycles")
    assert channel.state is OutputState.ON_AIR
    assert channel.parts.watch.delivery == "unconfirmed"
    (error,) = channel.logged("SessionRevoked")
    assert (error["log_level"], error["reason"] != "") == ("error", True)
    (warning,) = channel.logged(WARNING)
    assert warning["log_level"] == "warning"
    (command,) = [line["run"] for line in channel.logs if "run" in line]
    assert "--write-env" in command
    assert str(channel.env_file) in command
    assert len(channel.logged("session try failed")) == 6

    channel.write_env(new)
    channel.until(lambda: not channel.parts.facts().degraded, "recovered")
    failed = channel.parts.facts().session_renewals.get("failed")
    assert failed == 2, "the change was not noticed before the next cycle"
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed again")
    assert len(channel.logged("degraded mode is over")) == 1
    assert channel.parts.facts().degraded_seconds > 4
    channel.stop()
    (record,) = channel.nginx.records()
    packets = arrived(record)
    assert difference(packets, channel.program.published) is None
    assert decoded_pictures(record) == pictures(packets) > 25 * 8
    no_secrets(channel, old, new)


def test_spare_takes_over(channel: LiveChannel) -> None:
    """The spare is on air within 5 s and becomes SESSION_STRING; a second one within 24 h is not used; no frame is missing."""
    old, spare, second = (channel.stand.session_string() for _ in range(3))
    keys = channel.stand.do(lambda: list(channel.stand.world.keys.values())[-3:])
    channel.write_env(old, SESSION_STRING_SPARE=spare)
    channel.start(cycle_seconds=2.0)
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
    channel.stand.do(lambda: setattr(keys[0], "revoked", (401, "SESSION_EXPIRED")))
    channel.stand.drop()
    renewing = Stopwatch()
    channel.until(lambda: SessionRenewed in map(type, channel.events), "renewed")
    assert renewing.stop() < 5
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed again")
    text = channel.env_file.read_text()
    assert f"SESSION_STRING={spare}\n" in text
    assert "SESSION_STRING_SPARE=\n" in text
    assert old in channel.env_file.with_name(".env.bak").read_text()
    assert not channel.parts.facts().degraded

    channel.env_file.write_text(text.replace("SESSION_STRING_SPARE=", f"SESSION_STRING_SPARE={second}"))
    channel.stand.do(lambda: setattr(keys[1], "revoked", (401, "SESSION_EXPIRED")))
    channel.stand.drop()
    channel.until(lambda: channel.parts.facts().session_renewals.get("failed", 0) >= 2, "two cycles")
    assert channel.logged("the spare session is not used")
    assert channel.parts.facts().degraded
    assert channel.state is OutputState.ON_AIR
    channel.stop()
    (record,) = channel.nginx.records()
    packets = arrived(record)
    assert difference(packets, channel.program.published) is None
    assert decoded_pictures(record) == pictures(packets) > 25 * 4
    no_secrets(channel, old, spare, second)


def test_start_with_an_expired_session_and_a_kept_key(channel: LiveChannel) -> None:
    """What was on air before is on air again without a session, and the service says that it is degraded."""
    old = channel.stand.session_string()
    channel.write_env(old)
    channel.start()
    channel.until_on_air()
    channel.stop()
    channel.stand.revoke_all(401, "SESSION_EXPIRED")
    asked = len(channel.stand.asked("phone.getGroupCallStreamRtmpUrl"))
    before = channel.nginx.recorded_bytes()
    channel.start()
    channel.until(lambda: channel.parts.facts().degraded, "degraded")
    channel.until_on_air()
    channel.until(lambda: channel.parts.watch.delivery == "unconfirmed", "unconfirmed")
    assert len(channel.stand.asked("phone.getGroupCallStreamRtmpUrl")) == asked
    channel.until(lambda: channel.nginx.recorded_bytes() > before + 100_000, "the server records")
    assert channel.expired >= 1


def test_start_without_anything(channel: LiveChannel) -> None:
    """Without session and key the output is suspended, attempts nothing, and goes on air once there is a string."""
    channel.write_env("")
    channel.start(cycle_seconds=60.0)
    channel.until(lambda: channel.state is OutputState.SUSPENDED, "suspended")
    assert channel.parts.facts().session_state == "absent"
    assert "session" in channel.error
    assert len(channel.logged("SessionAbsent")) == 1
    assert channel.nginx.records() == []
    channel.write_env(channel.stand.session_string())
    channel.until_on_air()
    assert not channel.parts.facts().degraded


# The whole service


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of a minute."""
    folder = tmp_path_factory.mktemp("media")
    make_clip(folder / "item.mp4", MINUTE)
    return folder / "item.mp4"


def service_settings(tmp_path: Path, item: Path, stand: TelegramStand, session: str) -> dict[str, str]:
    """Settings of a channel at 320x180 with the output telegram."""
    (tmp_path / "playlist.txt").write_text(f"{item}\n")
    return stand.settings(session) | {
        "CHAT_ID": "@testchan",
        "PLAYLIST": str(tmp_path / "playlist.txt"),
        "MEDIA_DIRS": str(item.parent),
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "FFMPEG_ARGS": "-preset ultrafast",
    }


def test_service_stays_on_air_and_recovers(tmp_path: Path, item: Path) -> None:
    """A service that starts with an expired session streams to RTMP, reports it everywhere, and recovers by an edit."""
    with NginxRtmp(tmp_path / "nginx") as nginx, TelegramStand() as stand, called_site() as people:
        stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", "telegram-key")))
        old = stand.session_string()
        stand.revoke_all(401, "SESSION_EXPIRED")
        settings = service_settings(tmp_path, item, stand, old)
        settings |= {"OUTPUTS": f"telegram {nginx.url('plain-key')}"}
        settings |= {"NOTIFY_URLS": f"json://127.0.0.1:{people.port}/", "NOTIFY_AFTER_SECONDS": "10"}
        with running(tmp_path / "service", settings) as service:
            service.wait_for(lambda status: status["degraded"], what="degraded")
            states = {"telegram-1": "suspended", "rtmp-1": "on_air"}
            service.wait_for(
                lambda status: {one["name"]: one["state"] for one in status["outputs"]} == states, what="suspended"
            )
            assert re.search(r"(?m)^tg_video_streamer_degraded 1\.0$", service.metrics())
            assert re.search(r"(?m)^tg_video_streamer_session_valid 0\.0$", service.metrics())
            assert WARNING in service.log
            assert "SessionExpired" in service.log
            wait_until(lambda: any("--write-env" in text for text in people.texts), timeout=90, what="an alert")
            new = stand.session_string()
            text = service.env_file.read_text()
            service.env_file.write_text(text.replace(old, new))
            states = dict.fromkeys(states, "on_air")
            service.wait_for(
                lambda status: {one["name"]: one["state"] for one in status["outputs"]} == states, what="both on air"
            )
            assert not service.status()["degraded"]
            assert re.search(r"(?m)^tg_video_streamer_session_valid 1\.0$", service.metrics())
            assert re.search(
                r'(?m)^tg_video_streamer_session_renewals_total\{result="session"\} 1\.0$', service.metrics()
            )
            assert service.stop() == 0
            assert not [word for word in (old, new, "telegram-key", "plain-key", API_HASH) if word in service.log]
        (plain,) = [path for path in nginx.records() if path.name.startswith("plain-key")]
        recording = read_recording(whole_tags(plain, tmp_path / "copy.flv"))
        assert slot_faults(recording) == []


@pytest.mark.long
def test_service_tells_of_a_spare_that_took_over(tmp_path: Path, item: Path) -> None:
    """In the whole service a promoted spare is logged, counted, and alerted with what to do."""
    with NginxRtmp(tmp_path / "nginx") as nginx, TelegramStand() as stand, called_site() as people:
        stand.do(lambda: setattr(stand.chat(), "rtmp", (f"rtmp://127.0.0.1:{nginx.port}/live", "telegram-key")))
        session, spare = stand.session_string(), stand.session_string()
        key = stand.do(lambda: list(stand.world.keys.values())[-2])
        settings = service_settings(tmp_path, item, stand, session) | {
            "SESSION_STRING_SPARE": spare,
            "TELEGRAM_TRANSPORT": "rtmp",
            "NOTIFY_URLS": f"json://127.0.0.1:{people.port}/",
        }
        with running(tmp_path / "service", settings) as service:
            service.wait_for(
                lambda status: status["session_state"] == "valid" and status["outputs"][0]["state"] == "on_air",
                what="on air",
            )
            stand.do(lambda: setattr(key, "revoked", (401, "SESSION_EXPIRED")))
            stand.drop()
            service.wait_for(lambda status: status["session_renewals"] == {"spare": 1}, what="the spare")
            assert re.search(
                r'(?m)^tg_video_streamer_session_renewals_total\{result="spare"\} 1\.0$', service.metrics()
            )
            assert "the spare session was promoted" in service.log
            assert "degraded mode is over" in service.log
            wait_until(lambda: any("the spare replaced it" in text for text in people.texts), what="an alert")
            assert service.stop() == 0
            assert not [word for word in (session, spare) if word in service.log + str(people.texts)]


def test_exit_on_expired(tmp_path: Path, item: Path) -> None:
    """With --exit-on-expired a service whose session has ended exits with 1, and by default it never does."""
    with TelegramStand() as stand:
        settings = service_settings(tmp_path, item, stand, stand.session_string())
        stand.revoke_all(401, "SESSION_EXPIRED")
        with running(tmp_path / "service", settings, arguments=("--exit-on-expired",)) as service:
            try:
                assert service.process.wait(120) == 1
            except subprocess.TimeoutExpired:
                pytest.fail(f"it does not end:\n{service.log[-3000:]}")
            assert "SessionExpired" in service.log
