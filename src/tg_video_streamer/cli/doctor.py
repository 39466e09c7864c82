"""The command `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.locate import EnvFileOption
from tg_video_streamer.cli.run import load
from tg_video_streamer.errors import ConfigError
from tg_video_streamer.locales.message import Message

if TYPE_CHECKING:
    from tg_video_streamer.settings.settings import LoadedSettings


def doctor(
    env_file: EnvFileOption = None,
    *,
    no_notify: Annotated[bool, typer.Option("--no-notify", help="Do not send a test message to NOTIFY_URLS.")] = False,
) -> int:
    """Check settings, host, far ends and service, and give a remedy for each problem."""
    import asyncio  # noqa: PLC0415 - not for the other commands

    from tg_video_streamer.doctor.finding import problem  # noqa: PLC0415 - the same

    try:
        loaded = load(env_file, demo=False)
    except ConfigError as error:
        for line in error.problems:
            typer.echo(problem("settings", Message.raw(line)).line(words))
        return 1
    return asyncio.run(_check(loaded, notify=not no_notify))


async def _check(loaded: LoadedSettings, *, notify: bool) -> int:
    from tg_video_streamer.doctor.checkup import check_up  # noqa: PLC0415 - as above
    from tg_video_streamer.doctor.finding import Verdict  # noqa: PLC0415 - as above
    from tg_video_streamer.doctor.session import check_session  # noqa: PLC0415 - as above
    from tg_video_streamer.logs import configure_logs, redaction  # noqa: PLC0415 - as above
    from tg_video_streamer.settings.settings import secret_values  # noqa: PLC0415 - as above

    secrets = secret_values(loaded.settings)
    configure_logs(loaded.settings.log_format, secrets=secrets)
    redact = redaction(secrets)
    problems = 0
    async for finding in check_up(loaded.settings, warnings=loaded.warnings, session=check_session, notify=notify):
        typer.echo(redact(finding.line(words)))
        problems += finding.verdict is Verdict.PROBLEM
    return 1 if problems else 0


def add_commands(application: typer.Typer) -> None:
    """Add the command of this module."""
    application.command()(doctor)
