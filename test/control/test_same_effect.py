"""Each command from page, API, command line and chat: the same effect on one real service, and the same line in its log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stands import secrets
from stands.numbered import Plan, make_clip
from stands.page_visitor import PageVisitor
from stands.service import Service, running
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CHANNEL_ID
from stands.waiting import wait_until
from tg_video_streamer.control.commands import COMMANDS

NAMES = ("one", "two", "three")
FRAMES = 700


@dataclass(kw_only=True)
class Channel:
    """The service, and an operator who has signed in to its page."""

    service: Service
    media: Path
    page: PageVisitor
    program: PageVisitor
    stand: TelegramStand
    """Where its chat is."""
    missing: int = 0
    """How many missing files were listed."""

    @property
    def playlist(self) -> Path:
        """Its playlist file."""
        return self.media / "playlist.txt"

    def call(self, command: str, **values: Any) -> Any:
        """What the API answers; it must work."""
        answer = (
            self.program.call(f"/api/{command}", values)
            if COMMANDS[command].changes
            else self.program.ask(f"/api/{command}")
        )
        assert answer.status == 200, answer
        return answer.json()["result"]

    def wait_for_item(self, words: str) -> Any:
        """The key of the item whose file has this name, once it is listed."""

        def found() -> Any:
            items = self.program.call("/api/search", {"words": words}).json()["result"]
            return items[0]["key"] if items else ""

        return wait_until(found, what=f"{words} is listed", timeout=60)

    def queue(self) -> list[str]:
        """File names that are queued."""
        return [Path(item["title"]).stem for item in self.call("queue_list")]

    def keys(self) -> dict[str, str]:
        """Keys by name, of what is queued or else in the list."""
        status = self.service.status()
        items = [status["now"], *status["next_items"], *self.call("queue_list")]
        return {Path(item["title"]).stem: item["key"] for item in items if item}


def by_page(channel: Channel, command: str, values: Mapping[str, Any]) -> Any:
    """A form of the page."""
    texts = {
        name: ("on" if value else "off") if isinstance(value, bool) else str(value) for name, value in values.items()
    }
    answer = channel.page.post(f"/actions/{command}", texts, headers={"Accept": "application/json"})
    assert answer.status == 200, answer
    return text_of(answer.json()["result"])


def by_api(channel: Channel, command: str, values: Mapping[str, Any]) -> Any:
    """A program's call."""
    if COMMANDS[command].changes or values:
        answer = channel.program.call(f"/api/{command}", values)
    else:
        answer = channel.program.ask(f"/api/{command}")
    assert answer.status == 200, answer
    return text_of(answer.json()["result"])


def text_of(result: Any) -> Any:
    """The text of a message; any other result as it is."""
    return result["text"] if isinstance(result, dict) and "key" in result else result


def by_command(channel: Channel, command: str, values: Mapping[str, Any]) -> Any:
    """A command at the shell."""
    done = channel.service.command(*SHELL_COMMANDS[command](values))
    assert done.returncode == 0, done
    return done.stdout.rstrip("\n")


def by_chat(channel: Channel, command: str, values: Mapping[str, Any]) -> Any:
    """A command of the chat itself, as its anonymous admins write."""
    asked = channel.stand.say(CHAT_COMMANDS[command](values), None)
    answers = wait_until(lambda: channel.stand.answers(asked, CHANNEL_ID), what=f"an answer to {command}")
    return answers[0]


SHELL_COMMANDS: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, ...]]] = {
    "status": lambda _: ("status", "--json"),
    "skip": lambda _: ("skip",),
    "pause": lambda _: ("pause",),
    "resume": lambda _: ("resume",),
    "slate": lambda values: ("slate", "on" if values["on"] else "off"),
    "jump": lambda values: ("jump", values["key"]),
    "take": lambda _: ("take",),
    "seek": lambda values: ("seek", values["to"]),
    "reload": lambda _: ("reload",),
    "retry": lambda values: ("retry", values["key"]),
    "queue_list": lambda _: ("queue", "list"),
    "queue_add": lambda values: ("queue", "add", values["line"]),
    "queue_insert": lambda values: ("queue", "insert", values["line"]),
    "queue_move": lambda values: ("queue", "move", values["key"], str(values["place"] + 1)),
    "queue_remove": lambda values: ("queue", "remove", values["key"]),
    "queue_clear": lambda _: ("queue", "clear"),
    "search": lambda values: ("search", *values["words"].split()),
    "schedule": lambda _: ("schedule", "show", "--json"),
}
"""The words at the shell. Its user edits the playlist's file itself, and reads metrics for the history."""
CHAT_COMMANDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "status": lambda _: "/status",
    "skip": lambda _: "/skip",
    "pause": lambda _: "/pause",
    "resume": lambda _: "/resume",
    "slate": lambda values: "/slate on" if values["on"] else "/slate off",
    "queue_list": lambda _: "/queue",
}
"""What the chat has words for; `/seek` has a test of its own, since nobody may send so many; `/add` takes links to the public internet alone, and has tests of its own."""
NOT_AT_THE_SHELL = {"history", "coming", "library"} | {name for name in COMMANDS if name.startswith("playlist_")}

IN_OTHER_TESTS = {"take"}
"""It needs a live stream: test/on_air/test_takeover.py."""

WAYS: Mapping[str, Callable[[Channel, str, Mapping[str, Any]], Any]] = {
    "page": by_page,
    "api": by_api,
    "socket": by_command,
    "chat": by_chat,
}
"""By the name that the log has for each."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A change: what is there before, what is answered, and what is seen to follow from it."""

    command: str
    before: Callable[[Channel], object] = lambda _: None
    values: Callable[[Channel], Mapping[str, Any]] = field(default=lambda _: {})
    follows: Callable[[Channel, Mapping[str, Any], Mapping[str, Any]], object]
    """Gets the channel, its status before, and the arguments."""


def two_queued(channel: Channel) -> None:
    """Held, so that neither goes on air, with `one` and `two` queued."""
    channel.call("pause")
    for name in ("one", "two"):
        channel.call("queue_add", line=f"{name}.mp4")
    assert channel.queue() == ["one", "two"]


def with_missing(channel: Channel) -> None:
    """A line whose file is missing, tried by now, with a name of its own so that it is a new item."""
    channel.missing += 1
    channel.playlist.write_text(f"missing-{channel.missing}.mp4\n" + "".join(f"{name}.mp4\n" for name in NAMES))
    channel.call("jump", key=channel.wait_for_item(f"missing-{channel.missing}"))
    wait_until(lambda: resting(channel), what="the item failed", timeout=60)


def with_its_file(channel: Channel) -> str:
    """The key of the item that failed, whose file exists from now on."""
    (channel.media / f"missing-{channel.missing}.mp4").hardlink_to(channel.media / "one.mp4")
    return resting(channel)


def resting(channel: Channel) -> str:
    """The key of the item that waits for another try; empty for none."""
    warnings = channel.service.status()["warnings"]
    return next((str(one["item_key"]) for one in warnings if "retry" in one["actions"]), "")


def on_air_now(channel: Channel) -> Any:
    """The key of the item on air, or nothing."""
    status = channel.service.status()
    return status.get("channel_state") == "on_air" and status["now"] and status["now"]["key"]


WITH_COMMENTS = "# first\none.mp4\ntwo.mp4\nthree.mp4\n# last\n"


def with_comments(channel: Channel) -> None:
    """A playlist with a comment at each end."""
    channel.playlist.write_text(WITH_COMMENTS)


def removed_one(channel: Channel) -> None:
    """The same, with one entry removed through the service."""
    with_comments(channel)
    channel.call("playlist_remove_lines", lines="2", version="")


ROWS = (
    Row(command="skip", follows=lambda channel, was, _: on_air_now(channel) not in {False, was["now"]["key"]}),
    Row(command="pause", follows=lambda channel, _was, _: channel.service.status()["paused"]),
    Row(
        command="resume",
        before=lambda channel: channel.call("pause"),
        follows=lambda channel, _was, _: on_air_now(channel) and not channel.service.status()["paused"],
    ),
    Row(
        command="slate",
        values=lambda _: {"on": True},
        follows=lambda channel, _was, _: channel.service.status()["channel_state"] == "on_slate",
    ),
    Row(
        command="slate",
        before=lambda channel: channel.call("slate", on=True),
        values=lambda _: {"on": False},
        follows=lambda channel, _was, _: on_air_now(channel),
    ),
    Row(
        command="jump",
        values=lambda channel: {"key": channel.service.status()["next_items"][1]["key"]},
        follows=lambda channel, _was, values: on_air_now(channel) == values["key"],
    ),
    Row(
        command="seek",
        values=lambda _: {"to": "0:12"},
        follows=lambda channel, _was, _: channel.service.status()["position_seconds"] >= 12,
    ),
    Row(
        command="reload",
        follows=lambda channel, _was, _: channel.service.status(),
    ),
    Row(
        command="retry",
        before=with_missing,
        values=lambda channel: {"key": with_its_file(channel)},
        follows=lambda channel, _was, values: resting(channel) != values["key"],
    ),
    Row(
        command="queue_add",
        before=two_queued,
        values=lambda _: {"line": "three.mp4"},
        follows=lambda channel, _was, _: channel.queue() == ["one", "two", "three"],
    ),
    Row(
        command="queue_insert",
        before=two_queued,
        values=lambda _: {"line": "three.mp4"},
        follows=lambda channel, _was, _: channel.queue() == ["three", "one", "two"],
    ),
    Row(
        command="queue_move",
        before=two_queued,
        values=lambda channel: {"key": channel.keys()["two"], "place": 0},
        follows=lambda channel, _was, _: channel.queue() == ["two", "one"],
    ),
    Row(
        command="queue_remove",
        before=two_queued,
        values=lambda channel: {"key": channel.keys()["one"]},
        follows=lambda channel, _was, _: channel.queue() == ["two"],
    ),
    Row(command="queue_clear", before=two_queued, follows=lambda channel, _was, _: channel.queue() == []),
    Row(
        command="playlist_save",
        values=lambda channel: {
            "text": channel.playlist.read_text() + "# saved\n",
            "version": channel.call("playlist_read")["version"],
        },
        follows=lambda channel, _was, values: channel.playlist.read_text() == values["text"],
    ),
    Row(
        command="playlist_remove",
        before=with_missing,
        values=lambda channel: {"key": resting(channel), "version": channel.call("playlist_read")["version"]},
        follows=lambda channel, _was, _: "missing" not in channel.playlist.read_text(),
    ),
    Row(
        command="playlist_move",
        before=with_comments,
        values=lambda _: {"lines": "2", "before": 0, "version": ""},
        follows=lambda channel, _was, _: (
            channel.playlist.read_text() == "# first\ntwo.mp4\nthree.mp4\none.mp4\n# last\n"
        ),
    ),
    Row(
        command="playlist_shift",
        before=with_comments,
        values=lambda _: {"lines": "2", "down": True, "version": ""},
        follows=lambda channel, _was, _: (
            channel.playlist.read_text() == "# first\ntwo.mp4\none.mp4\nthree.mp4\n# last\n"
        ),
    ),
    Row(
        command="playlist_insert",
        before=with_comments,
        values=lambda _: {"text": "one.mp4 | title=Again", "before": 3, "version": ""},
        follows=lambda channel, _was, _: "one.mp4\none.mp4 | title=Again\ntwo.mp4\n" in channel.playlist.read_text(),
    ),
    Row(
        command="playlist_remove_lines",
        before=with_comments,
        values=lambda _: {"lines": "2-3", "version": ""},
        follows=lambda channel, _was, _: channel.playlist.read_text() == "# first\nthree.mp4\n# last\n",
    ),
    Row(
        command="playlist_undo",
        before=removed_one,
        values=lambda _: {"version": ""},
        follows=lambda channel, _was, _: channel.playlist.read_text() == WITH_COMMENTS,
    ),
)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """A service on air with three clips, and a chat that it hears."""
    media = tmp_path_factory.mktemp("media")
    clip = make_clip(media / "one.mp4", Plan(item_id=1, frames=FRAMES, flashes=()))
    for name in NAMES[1:]:
        (media / f"{name}.mp4").hardlink_to(clip)
    (media / "playlist.txt").write_text("".join(f"{name}.mp4\n" for name in NAMES))
    with TelegramStand() as stand, running(media / "service", _settings(stand, media / "playlist.txt")) as service:
        service.wait_for(lambda status: status["now"], timeout=90, what="an item on air")
        shown = service.command("token").stdout.strip()
        secrets.never_shown_here(shown)
        page = PageVisitor(port=service.web_port)
        assert page.sign_in(shown).status == 200
        program = PageVisitor(port=service.web_port, token=shown)
        yield Channel(service=service, media=media, page=page, program=program, stand=stand)


def _settings(stand: TelegramStand, playlist: Path) -> dict[str, str]:
    return stand.settings(stand.session_string()) | {
        "PLAYLIST": str(playlist),
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "LOG_FORMAT": "json",
        "OUTPUTS": "telegram",
        "CHAT_ID": "@testchan",
        "CHAT_COMMANDS": "1",
    }


def at_rest(channel: Channel) -> Mapping[str, Any]:
    """On air with nothing queued; the status then."""
    channel.call("queue_clear")
    channel.call("slate", on=False)
    if channel.service.status()["paused"]:
        channel.call("resume")
    return channel.service.wait_for(lambda status: status["channel_state"] == "on_air" and status["now"] and status)  # type: ignore[no-any-return]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.command)
def test_each_way_has_the_same_effect(channel: Channel, row: Row) -> None:
    """Whether by page, API or command, the channel does the same, says the same, and the log has who asked."""
    answers = {}
    for way, tell in WAYS.items():
        if row.command not in {"socket": SHELL_COMMANDS, "chat": CHAT_COMMANDS}.get(way, COMMANDS):
            continue
        was = at_rest(channel)
        row.before(channel)
        values = row.values(channel)
        answers[way] = tell(channel, row.command, values)
        wait_until(partial(row.follows, channel, was, values), what=f"{row.command} by {way}")
        told = [line for line in audit(channel) if (line["command"], line["origin"]) == (row.command, way)]
        assert told, f"{row.command} by {way} left no line"
        assert told[-1]["answer"] == answers[way]
    # Titles differ with what happens to be on air; what is said of them does not.
    assert len({re.sub(r"missing-\d+|" + "|".join(NAMES), "NAME", answer) for answer in answers.values()}) == 1


def audit(channel: Channel) -> list[dict[str, Any]]:
    """The lines of changes in the service's log."""
    lines = [json.loads(line) for line in channel.service.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "command executed"]


def test_each_way_sees_the_same(channel: Channel) -> None:
    """What changes nothing answers alike, and leaves no line."""
    at_rest(channel)
    two_queued(channel)
    shown = {way: tell(channel, "queue_list", {}) for way, tell in WAYS.items()}
    assert [Path(line.split()[1]).stem for line in shown["chat"].splitlines()] == ["one", "two"]
    keys = [item["key"] for item in shown["api"]]
    assert [item["key"] for item in shown["page"]] == keys
    assert [line.split()[0] for line in shown["socket"].splitlines()] == keys
    at_hand = {way: tell for way, tell in WAYS.items() if way != "chat"}
    found = {way: tell(channel, "search", {"words": "thr ee"}) for way, tell in at_hand.items()}
    assert found["page"] == found["api"]
    assert [line.split()[0] for line in found["socket"].splitlines()] == [item["key"] for item in found["api"]] != []
    status = {way: tell(channel, "status", {}) for way, tell in at_hand.items()}
    assert status["page"].keys() == status["api"].keys() == json.loads(status["socket"]).keys()
    for command, values in (
        ("playlist_read", {}),
        ("schedule", {"day": "2026-05-01"}),
        ("playlist_check", {"text": "one.mp4\nnothing-such.mp4\n"}),
    ):
        assert by_page(channel, command, values) == by_api(channel, command, values)
    assert by_page(channel, "history", {})["spans"]
    assert {line["command"] for line in audit(channel)} <= {
        name for name, command in COMMANDS.items() if command.changes
    }


def test_what_viewers_saw_is_written(channel: Channel) -> None:
    """Who watches in Telegram is asked for with the item on air, by the API."""
    for viewers in (8, 11):
        channel.stand.do(partial(setattr, channel.stand.world, "viewers", viewers))
        line = f'"viewers": {viewers - 1},'
        wait_until(partial(_audience_has, channel, line), what="the viewers are written")
    changes = channel.program.ask("/api/audience?by=change").json()["result"]
    assert changes[0]["came"] == 3
    assert Path(changes[0]["title"]).stem in NAMES or changes[0]["level"] != "item"


def _audience_has(channel: Channel, text: str) -> bool:
    file = channel.service.state_dir / "audience.jsonl"
    return file.exists() and text in file.read_text()


def test_no_command_is_left_out() -> None:
    """A new command gets its row here and its words at the shell, or a reason why not; the chat has words for real ones."""
    assert {row.command for row in ROWS} | IN_OTHER_TESTS == {
        name for name, command in COMMANDS.items() if command.changes
    }
    assert SHELL_COMMANDS.keys() | NOT_AT_THE_SHELL == COMMANDS.keys()
    assert CHAT_COMMANDS.keys() <= COMMANDS.keys()
