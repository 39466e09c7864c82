"""What the web room is made of: its listener, who may do what there, and what its pages read of the running service."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tg_video_streamer.app.build import as_run_file
from tg_video_streamer.app.service import Parts
from tg_video_streamer.doctor.checkup import findings
from tg_video_streamer.doctor.finding import Finding
from tg_video_streamer.doctor.versions import Versions
from tg_video_streamer.logs import log_tail, redaction
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.settings.settings import secret_values
from tg_video_streamer.web import server
from tg_video_streamer.web.app import build_web_app
from tg_video_streamer.web.auth.auth import Access
from tg_video_streamer.web.auth.tokens import FILE_NAME, Tokens, ensure_token, is_loopback
from tg_video_streamer.web.check_runner import CheckRunner
from tg_video_streamer.web.context import WebContext
from tg_video_streamer.web.preview.preview import Preview

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Web:
    """It listens; `serve` answers, and may be called again after it failed."""

    parts: Parts
    listener: server.Listener
    access: Access

    def serve(self) -> Coroutine[None, None, None]:
        """Answer until cancelled."""
        settings = self.parts.settings
        hosts = (settings.web_host, *settings.web_names)
        return server.serve(build_web_app(_room(self.parts), access=self.access, hosts=hosts), self.listener)


def web(parts: Parts) -> Web:
    """The web room of these parts. Raises ListenFailed."""
    settings = parts.settings
    listener = server.listen(settings.web_host, settings.web_port)
    access = Access(
        tokens=_tokens(parts),
        clock=parts.clock,
        loopback=is_loopback(settings.web_host),
        behind_proxy=settings.web_behind_proxy,
        port=listener.port,
    )
    return Web(parts=parts, listener=listener, access=access)


def _room(parts: Parts) -> WebContext:
    versions = Versions(clock=parts.clock)
    return WebContext(
        commands=parts.station,
        preview=Preview(parts.fanout, width=parts.house.width, height=parts.house.height, clock=parts.clock),
        clock=parts.clock,
        as_run=as_run_file(parts.settings),
        checks=CheckRunner(lambda: _findings(parts), clock=parts.clock),
        log_tail=log_tail,
        login=parts.telegram.desk if parts.telegram is not None else None,
        account=lambda: _account(parts),
        has_schedule=parts.settings.schedule.is_file,
        versions=versions.told,
        refresh_versions=versions.ask,
    )


def _account(parts: Parts) -> str:
    """Whose session it is: enough of the number for its owner."""
    owner = parts.telegram.keeper.owner_id if parts.telegram is not None else 0
    return f"…{str(owner)[-4:]}" if owner else ""


async def _findings(parts: Parts) -> list[Finding]:
    """What the doctor says, without the session: the service holds that itself, and says how it is."""
    settings = parts.settings_now()
    redact = redaction(secret_values(settings))
    return [
        replace(one, text=redact(one.text), remedy=redact(one.remedy)) for one in await findings(settings, notify=False)
    ]


def _tokens(parts: Parts) -> Callable[[], Tokens]:
    """Those in force now: after a reload they may be others, and whoever was let in by the old ones is out."""
    kept: str | None = None

    def tokens() -> Tokens:
        nonlocal kept
        settings = parts.settings_now()
        operator = settings.web_token.get_secret_value()
        if not operator and kept is None:
            kept = _kept(settings.state_dir)
        return Tokens(operator=operator or kept or "", viewer=settings.web_viewer_token.get_secret_value())

    tokens()  # made at the first start, not at the first request
    return tokens


def _kept(folder: Path) -> str:
    """The token of STATE_DIR; an empty one, which opens to nobody, where it can be neither read nor kept."""
    try:
        token, made = ensure_token(folder)
    except OSError as error:
        log.warning("nobody can sign in to the page", file=str(folder / FILE_NAME), why=error.strerror)
        return ""
    remember_secret(token)
    if made:
        log.info("the token for the page is made", file=str(folder / FILE_NAME), show="tg-video-streamer token")
    return token
