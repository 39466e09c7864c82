"""Parses the command line, runs one command, and turns every error into one line and an exit code.

0 done; 1 failed; 2 wrong usage; 3 no service is running; 78 the configuration is wrong (EX_CONFIG of sysexits.h).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from tg_video_streamer.cli import doctor, fleet, library, page_token, run, schedule, service_commands, session, worker
from tg_video_streamer.cli.language import words
from tg_video_streamer.errors import ConfigError, NoService, ScheduleError, StreamerError

PROGRAM = "tg-video-streamer"
FAILED, WRONG_USAGE, NO_SERVICE, WRONG_CONFIGURATION = 1, 2, 3, 78

application = typer.Typer(
    help="Keeps one Telegram channel on air around the clock.",
    add_completion=False,
    # Plain help: importing rich costs more than the rest of a command.
    rich_markup_mode=None,
)
run.add_commands(application)
doctor.add_commands(application)
service_commands.add_commands(application)
page_token.add_commands(application)
library.add_commands(application)
schedule.add_commands(application)
fleet.add_commands(application)
session.add_commands(application)
worker.add_commands(application)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (without the program's name; those of the process by default); the exit code."""
    command = typer.main.get_command(application)
    try:
        code = command.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
        return _failed([f"{error.format_message().rstrip('.')}; see {where} --help"], WRONG_USAGE)
    except StreamerError as error:
        text = words.message_text(error.full_message)
        lines = error.problems if isinstance(error, ConfigError | ScheduleError) else [text]
        return _failed(lines, _exit_code(error))
    except BrokenPipeError:
        # The reader of our output has closed it; without this the interpreter reports an error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return int(code or 0)


def _exit_code(error: StreamerError) -> int:
    if isinstance(error, ConfigError):
        return WRONG_CONFIGURATION
    return NO_SERVICE if isinstance(error, NoService) else FAILED


def _failed(lines: Sequence[str], code: int) -> int:
    for line in lines:
        print(f"{PROGRAM}: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201 - the output of the command line
    return code
