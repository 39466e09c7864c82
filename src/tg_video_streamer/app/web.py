"""Makes the page: its listener, its access control, and what its pages read of the running service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.keep_running import Anew
from tg_video_streamer.app.live import LiveService
from tg_video_streamer.app.telegram import TelegramService
from tg_video_streamer.app.uploads import make_uploads
from tg_video_streamer.asrun.audience import FILE_NAME as AUDIENCE_FILE_NAME
from tg_video_streamer.asrun.log import FILE_NAME as AS_RUN_FILE_NAME
from tg_video_streamer.automation.program import Program
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.looks import Looks
from tg_video_streamer.doctor.checkup import findings
from tg_video_streamer.doctor.finding import Finding
from tg_video_streamer.doctor.versions import Versions
from tg_video_streamer.logs import log_tail, redaction
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.settings.reload import SettingsReload
from tg_video_streamer.settings.settings import secret_values
from tg_video_streamer.web import server
from tg_video_streamer.web.app import build_web_app
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.client_address import TrustedProxies
from tg_video_streamer.web.auth.tokens import FILE_NAME, Tokens, ensure_token, is_loopback
from tg_video_streamer.web.check_runner import CheckRunner
from tg_video_streamer.web.context import WebContext, no_still
from tg_video_streamer.web.preview.preview import Preview

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Web:
    """It listens; `run` answers, and may be called again after it failed."""

    make_pages: Callable[[], WebContext]
    hosts: tuple[str, ...]
    listener: server.Listener
    access: Access

    async def run(self) -> None:
        """Answer until cancelled, with pages and preview of its own; sign-ins and the listener outlive it."""
        with self.listener.socket.dup() as socket:
            socket.setblocking(False)  # noqa: FBT003 - as the socket has it
            app = build_web_app(self.make_pages(), access=self.access, hosts=self.hosts)
            await server.serve(app, replace(self.listener, socket=socket))


def make_web(
    context: BuildContext,
    commands: Commands,
    telegram: TelegramService | None,
    live: Anew[LiveService] | None,
    program: Program,
    looks: Looks,
) -> Web:
    """The page. Raises ListenFailed."""
    settings = context.settings
    listener = server.listen(settings.web_host, settings.web_port)
    access = Access(
        tokens=_tokens(context.reload),
        clock=context.clock,
        loopback=is_loopback(settings.web_host),
        proxies=TrustedProxies(settings.web_proxies) if settings.web_behind_proxy else None,
        port=listener.port,
    )
    make_pages = partial(_pages, context, commands, telegram, live, program, looks)
    return Web(make_pages=make_pages, hosts=(settings.web_host, *settings.web_names), listener=listener, access=access)


def _pages(
    context: BuildContext,
    commands: Commands,
    telegram: TelegramService | None,
    live: Anew[LiveService] | None,
    program: Program,
    looks: Looks,
) -> WebContext:
    versions = Versions(clock=context.clock)
    house = context.prepared.house
    return WebContext(
        commands=commands,
        preview=Preview(context.fanout, house, clock=context.clock),
        clock=context.clock,
        as_run=context.settings.state_dir / AS_RUN_FILE_NAME,
        audience=context.settings.state_dir / AUDIENCE_FILE_NAME,
        checks=CheckRunner(lambda: _findings(context.reload), clock=context.clock),
        log_tail=log_tail,
        looks=looks,
        uploads=make_uploads(context, program),
        login=telegram.web_login if telegram is not None else None,
        account=lambda: _account(telegram),
        has_schedule=context.settings.schedule.is_file,
        channel=context.settings.channel or "tg-video-streamer",
        versions=versions.listed,
        refresh_versions=versions.ask,
        live_still=live.ask(lambda one: one.takeover.still()) if live is not None else no_still,
    )


def _account(telegram: TelegramService | None) -> str:
    """The last digits of the account's number: enough for its owner."""
    owner = telegram.store.owner_id if telegram is not None else 0
    return f"…{str(owner)[-4:]}" if owner else ""


async def _findings(reload: SettingsReload) -> list[Finding]:
    """The doctor's findings without secrets, and without the session: the service reports its state."""
    settings = reload.settings
    redact = redaction(secret_values(settings))
    return [one.map_texts(redact) for one in await findings(settings, notify=False)]


def _tokens(reload: SettingsReload) -> Callable[[], Tokens]:
    """The tokens in force now: after a reload they may be others, and sign-ins with the old ones have ended."""
    generated: str | None = None

    def tokens() -> Tokens:
        nonlocal generated
        settings = reload.settings
        operator = settings.web_token.get_secret_value()
        if not operator and generated is None:
            generated = _generated(settings.state_dir)
        return Tokens(operator=operator or generated or "", viewer=settings.web_viewer_token.get_secret_value())

    tokens()  # made at the first start, not at the first request
    return tokens


def _generated(folder: Path) -> str:
    """The token of STATE_DIR; an empty one, which admits no one, where it can be neither read nor written."""
    try:
        token, made = ensure_token(folder)
    except OSError as error:
        log.warning("no one can sign in to the page", file=str(folder / FILE_NAME), why=error.strerror)
        return ""
    remember_secret(token)
    if made:
        log.info("the token for the page is made", file=str(folder / FILE_NAME), show="tg-video-streamer token")
    return token
