"""Configures logging: one line an event on stdout, for people or as JSON, with every secret masked.

Lines go to stdout, which systemd and `docker logs` keep; it is looked up for each line, so that a live table (rich) may
stand below them. Logs of libraries (uvicorn, watchfiles, asyncio, warnings) take the same way. Secrets are masked
twice: in the fields, and in the finished line, so that neither a traceback nor a `repr` brings one out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tg_video_streamer.display_text import one_line, readable
from tg_video_streamer.secrets import known_secrets

MASK = "***"
TAIL_LINES = 200

_PATTERNS = (
    # A stream URL: what is behind the application's name is the key.
    (re.compile(r"(?i)\b(rtmp[ste]?s?://)(?:[^\s/@]*@)?([^\s/?#\"']+/[^\s/?#\"']+)/[^\s\"']+"), rf"\1\2/{MASK}"),
    # Any other URL: user and password, and the query, which may be a signature.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@?#\"']+@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s?\"']*\?)[^\s\"'#]+"), rf"\1{MASK}"),
    # KEY=value and headers of things that are secret by name.
    (
        re.compile(
            r"(?i)\b((?:SESSION_STRING(?:_SPARE)?|API_HASH|WEB_TOKEN|WEB_VIEWER_TOKEN|LIVE_INGEST|NOTIFY_URLS|HEARTBEAT_URL"
            r"|TELEGRAM_PROXY|YTDLP_PROXY|passphrase|password|access_token|auth_key)\s*[=:]\s*)[^\s,;&\"']+"
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+"),
        rf"\1\2{MASK}",
    ),
    # A session string, or another long opaque token, wherever it came from.
    (re.compile(r"[A-Za-z0-9_+-]{160,}={0,2}"), MASK),
)
_SECRET_FIELDS = re.compile(
    r"(?i)^(?:session_string.*|api_hash|.*token|.*password|.*passphrase|cookies?|authorization|headers)$"
)

_OF_SEVERAL_LINES = frozenset({"event", "exception", "stack"})

Redaction = Callable[[str], str]


def redaction(secrets: Iterable[str] = (), *, by_look: bool = True) -> Redaction:
    """A function that masks `secrets` in a text and, `by_look`, all that looks like a key, cookie or signed query.

    Secrets that the service comes to know later (`known_secrets`) are masked from then on too.
    """
    at_start = frozenset(secrets)
    later = known_secrets()
    pattern = _any_of(at_start | later)

    def redact(text: str) -> str:
        nonlocal later, pattern
        if (now := known_secrets()) is not later:
            # The pattern first: another thread that sees the new set must not use the old pattern.
            pattern = _any_of(at_start | now)
            later = now
        if pattern is not None:
            text = pattern.sub(MASK, text)
        for look, replacement in _PATTERNS if by_look else ():
            text = look.sub(replacement, text)
        return text

    return redact


def _any_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Matches each of them, as it is and as JSON and `repr` write it; None for none."""
    forms: set[str] = set()
    for secret in secrets:
        if secret:
            forms |= {
                secret,
                json.dumps(secret)[1:-1],
                json.dumps(secret, ensure_ascii=False)[1:-1],
                repr(secret)[1:-1],
            }
    # The longest first, so that a secret inside of another leaves nothing of the longer one.
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None


def _masked(value: Any, redact: Redaction) -> Any:
    """`value` with every text in it masked; other objects as they are, or as text where theirs holds a secret."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: MASK if _SECRET_FIELDS.match(str(key)) else _masked(one, redact) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(one, redact) for one in value]
    text = repr(value)
    clean = redact(text)
    return value if clean == text else clean


def _masking_processor(redact: Redaction) -> Processor:
    def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {
            name: MASK if _SECRET_FIELDS.match(name) and value else _masked(value, redact)
            for name, value in event.items()
        }

    return mask


def _shown(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Values in one line each, and without control characters: names of others must not forge lines or escapes."""
    return {name: _clean(value, readable if name in _OF_SEVERAL_LINES else one_line) for name, value in event.items()}


def _clean(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {_clean(key, clean): _clean(one, clean) for key, one in value.items()}
    return [_clean(one, clean) for one in value] if isinstance(value, list) else value


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Masks the finished line once more."""

    def __init__(self, redact: Redaction, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets."""
        return self._redact(super().format(record))


_tail: deque[str] = deque(maxlen=TAIL_LINES)


def log_tail() -> tuple[str, ...]:
    """The last lines that were logged, oldest first, as masked as they were written."""
    return tuple(_tail)


class _Stdout(logging.StreamHandler[Any]):
    """Writes to what `sys.stdout` is at the time of the line; a closed reader is ignored."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    def format(self, record: logging.LogRecord) -> str:
        """The line, which any stdout can take; the newest are remembered for readers without access to the host's log."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        line = super().format(record).encode(encoding, "backslashreplace").decode(encoding)
        _tail.append(line)
        return line

    @property
    def stream(self) -> Any:
        """The present stdout."""
        return sys.stdout

    @stream.setter
    def stream(self, stream: Any) -> None:
        """Not to be changed."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # the name is the library's
        """A closed pipe or a full disk behind stdout: no one can be informed, and the program continues."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


def configure_logs(log_format: str = "console", *, secrets: Iterable[str] = (), level: int = logging.INFO) -> None:
    """Send all logging to stdout as `console` or `json` lines that hold none of `secrets`; may be called again."""
    secrets = tuple(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Plain tracebacks: the richer ones show local variables, and with them secrets.
        structlog.processors.format_exc_info,
        _masking_processor(redaction(secrets)),
        _shown,
    ]
    handler = _Stdout()
    handler.setFormatter(_formatter(log_format, secrets, shared))
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Our own events report what matters of them; at INFO they would log every request and every file event.
    for name in ("uvicorn.access", "watchfiles", "httpx"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(log_format: str, secrets: tuple[str, ...], shared: list[Processor]) -> logging.Formatter:
    """Turns an event into its line; `shared` is what events of the standard library's loggers still need."""
    as_json = log_format == "json"
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return _Formatter(
        # Patterns that know nothing of JSON's escapes would break a finished JSON line.
        redaction(secrets, by_look=not as_json),
        foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def log_uncaught() -> None:
    """Log exceptions that nothing caught, in any thread, so that their texts are masked too."""
    logger = structlog.get_logger(__name__)

    def uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        logger.critical("uncaught exception; this is a defect of ours", exception=text)

    def uncaught_in_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            uncaught(kind, error, trace)

    def uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_type is not SystemExit:
            uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    sys.excepthook = uncaught_in_main
    threading.excepthook = uncaught_in_thread
