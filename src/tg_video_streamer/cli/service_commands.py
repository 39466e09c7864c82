"""The commands that a running service executes, such as `status`, `skip` and `queue add`."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.locate import EnvFileOption, settings_file, state_dir
from tg_video_streamer.control.socket import client
from tg_video_streamer.control.socket.protocol import items_from_json, status_from_json
from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.control.status_text import StatusText, printable
from tg_video_streamer.locales.message import Message

_text = StatusText(words)


class Switch(StrEnum):
    """The argument of `slate`."""

    ON = "on"
    OFF = "off"


def _ask(env_file: Path | None, command: str, **arguments: Any) -> Any:
    return client.ask(state_dir(settings_file(env_file), os.environ), command, arguments)


def _print_answer(env_file: Path | None, command: str, **arguments: Any) -> int:
    answer = Message.from_json(_ask(env_file, command, **arguments))
    typer.echo(_text.message(answer))
    return 0


def _print_items(answer: Any, *, none: str) -> int:
    items = items_from_json(answer)
    rows = [f"{printable(item.key)}  {_text.item(item)}" for item in items]
    typer.echo("\n".join(rows) if rows else none)
    return 0


def _status(env_file: Path | None) -> ServiceStatus:
    return status_from_json(_ask(env_file, "status"))


def status(
    env_file: EnvFileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the status until Ctrl-C.")] = False,
) -> int:
    """Show what is on air, what is next, and the state of each output."""
    if as_json and watch:
        raise typer.BadParameter("--watch and --json do not go together")
    if watch:
        from tg_video_streamer.terminal.watch import watch as follow  # noqa: PLC0415 - rich, only where it is needed

        return follow(state_dir(settings_file(env_file), os.environ))
    if as_json:
        typer.echo(json.dumps(_ask(env_file, "status"), indent=2))
    else:
        typer.echo("\n".join(_text.lines(_status(env_file))))
    return 0


def now(env_file: EnvFileOption = None) -> int:
    """Show what is on air."""
    typer.echo(_text.now(_status(env_file)))
    return 0


def next_items(env_file: EnvFileOption = None) -> int:
    """Show what plays next."""
    coming = _status(env_file).next_items
    typer.echo("\n".join(map(_text.item, coming)) if coming else words.text("status.nothing_next"))
    return 0


def skip(env_file: EnvFileOption = None) -> int:
    """Cut to the next item."""
    return _print_answer(env_file, "skip")


def pause(env_file: EnvFileOption = None) -> int:
    """Hold the item where it is and show the slate."""
    return _print_answer(env_file, "pause")


def resume(env_file: EnvFileOption = None) -> int:
    """Continue where `pause` stopped."""
    return _print_answer(env_file, "resume")


def slate(
    switch: Annotated[Switch, typer.Argument(metavar="on|off", show_default=False)], env_file: EnvFileOption = None
) -> int:
    """Show or hide the slate; the item waits."""
    return _print_answer(env_file, "slate", on=switch is Switch.ON)


def reload(env_file: EnvFileOption = None) -> int:
    """Read playlist and settings again, and apply what can change on air."""
    return _print_answer(env_file, "reload")


def jump(
    key: Annotated[str, typer.Argument(metavar="KEY", help="From `search`.", show_default=False)],
    env_file: EnvFileOption = None,
) -> int:
    """Cut to an item of the playlist as soon as it is ready; the playlist continues after it."""
    return _print_answer(env_file, "jump", key=key)


def take(env_file: EnvFileOption = None) -> int:
    """Put the live stream on air that waits for it (LIVE_TAKE=ask)."""
    return _print_answer(env_file, "take")


def seek(
    to: Annotated[
        str, typer.Argument(metavar="TO", help="+30, -30, or a time of the item: 12:00.", show_default=False)
    ],
    env_file: EnvFileOption = None,
) -> int:
    """Continue the item on air elsewhere in it."""
    return _print_answer(env_file, "seek", to=to)


def retry(
    key: Annotated[str, typer.Argument(metavar="KEY", help="From `status --json`.", show_default=False)],
    env_file: EnvFileOption = None,
) -> int:
    """Try an item that failed again at its next turn, without its pause."""
    return _print_answer(env_file, "retry", key=key)


def search(
    title: Annotated[list[str], typer.Argument(metavar="WORD...", help="The title must contain all words.")],
    env_file: EnvFileOption = None,
) -> int:
    """Find items of queue and playlist by title; prints key and title."""
    return _print_items(_ask(env_file, "search", words=" ".join(title)), none=words.text("status.nothing_found"))


def queue_add(
    lines: Annotated[list[str], typer.Argument(metavar="LINE...", help="A URL, a path, or a playlist line.")],
    env_file: EnvFileOption = None,
) -> int:
    """Queue items after what is queued."""
    for line in lines:
        _print_answer(env_file, "queue_add", line=_from_here(line))
    return 0


def queue_insert(
    line: Annotated[str, typer.Argument(metavar="LINE", help="A URL, a path, or a playlist line.")],
    env_file: EnvFileOption = None,
) -> int:
    """Queue an item before what is queued."""
    return _print_answer(env_file, "queue_insert", line=_from_here(line))


def queue_list(env_file: EnvFileOption = None) -> int:
    """List queued items; prints key and title."""
    return _print_items(_ask(env_file, "queue_list"), none=words.text("status.queue_empty"))


def queue_move(
    key: Annotated[str, typer.Argument(metavar="KEY", help="From `queue list`.", show_default=False)],
    place: Annotated[int, typer.Argument(metavar="PLACE", help="1 is the next to play.", min=1, show_default=False)],
    env_file: EnvFileOption = None,
) -> int:
    """Move a queued item to another place."""
    return _print_answer(env_file, "queue_move", key=key, place=place - 1)


def queue_remove(
    key: Annotated[str, typer.Argument(metavar="KEY", help="From `queue list`.", show_default=False)],
    env_file: EnvFileOption = None,
) -> int:
    """Remove an item from the queue."""
    return _print_answer(env_file, "queue_remove", key=key)


def queue_clear(env_file: EnvFileOption = None) -> int:
    """Remove all items from the queue."""
    return _print_answer(env_file, "queue_clear")


def _from_here(line: str) -> str:
    """A path that is there, seen from the shell's folder, made absolute: the service would look from the playlist's."""
    locator, bar, options = line.partition("|")
    path = Path(locator.strip())
    try:
        there = bool(path.parts) and path.exists()
    except (OSError, ValueError):  # a name that no file can have; the service says what it thinks of the line
        there = False
    if not there:
        return line
    return f"{path.absolute()} {bar}{options}".rstrip()


def add_commands(application: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (status, now, skip, pause, resume, slate, take, jump, retry, search, reload):
        application.command()(command)
    application.command("next")(next_items)
    # Otherwise -30 would be an option.
    application.command(context_settings={"ignore_unknown_options": True})(seek)
    queue = typer.Typer(help="Items that play before the playlist continues.", rich_markup_mode=None)
    queue.command("add")(queue_add)
    queue.command("insert")(queue_insert)
    queue.command("list")(queue_list)
    queue.command("move")(queue_move)
    queue.command("remove")(queue_remove)
    queue.command("clear")(queue_clear)
    application.add_typer(queue, name="queue")
