"""Logging as an operator gets it: whole lines on stdout, one form for ours and the libraries', and no secret in any."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.logs import MASK, redaction
from tg_video_streamer.secrets import remember_secret

_SCRIPT = """
import asyncio, logging, threading, warnings
import structlog
from tg_video_streamer.logs import configure_logs, log_uncaught

class Thing:
    def __repr__(self):
        return "<Thing CANARY-one>"

configure_logs(LOG_FORMAT, secrets=["CANARY-one", 'CANARY"two\\\\ü'])
log_uncaught()
log = structlog.get_logger("room.module")
log.info("plain line", key="0123456789abcdef", seconds=1.5, title="Ein schöner Film")
log.info("fields", a="CANARY-one", b=["CANARY-one", {"x": 'CANARY"two\\\\ü'}], c=Thing(), d={"Cookie": "CANARYcookie"})
log.info("names", session_string="CANARYs", web_token="CANARYt", api_hash="CANARYh", headers={"a": "CANARYx"})
log.info("in the event CANARY-one", url="rtmps://user:CANARYp@host.example/live/CANARYkey?x=CANARYy")
log.debug("not shown")
logging.getLogger("uvicorn.error").warning("from %s with %s", "a library", "CANARY-one")
logging.getLogger("uvicorn.access").info("not shown")
warnings.warn("look CANARY-one")
try:
    local = "CANARYlocal"
    raise ValueError("failed with " + "CANARY-one" + ' and Cookie: ' + 'CANARYc=1; ' + 'CANARYd=2')
except ValueError:
    log.exception("caught", stage="feed")
    logging.getLogger("lib").exception("caught by a library")
thread = threading.Thread(target=lambda: [][0], name="t")
thread.start()
thread.join()

async def main():
    asyncio.get_running_loop().call_exception_handler({"message": "task CANARY-one"})

asyncio.run(main())
raise RuntimeError("the end, " + "CANARY-one")
"""


def _run(log_format: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", _SCRIPT.replace("LOG_FORMAT", repr(log_format))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    return done.stdout


def _without_source(text: str) -> str:
    """The output without the lines of program text that a traceback repeats: a literal in it is no log of ours."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def test_console_lines_are_plain_where_stdout_is_no_terminal() -> None:
    """A journal or file gets one uncoloured line an event, with time, level, logger and fields."""
    lines = _run("console").splitlines()
    assert "\x1b" not in "".join(lines)
    assert lines[0].endswith("plain line [room.module] key=0123456789abcdef seconds=1.5 title='Ein schöner Film'")
    assert "[info" in lines[0]
    assert any("from a library with ***" in line and "[uvicorn.error]" in line for line in lines)
    assert not any("not shown" in line for line in lines)
    assert any(line.startswith("IndexError") for line in lines)
    assert any(line == "RuntimeError: the end, ***" for line in lines)


def test_json_lines_are_each_one_object() -> None:
    """Every line is JSON whatever was masked in it, and tracebacks are inside of their event."""
    events = [json.loads(line) for line in _run("json").splitlines()]
    assert events[0]["event"] == "plain line"
    assert events[0]["seconds"] == 1.5
    assert events[0]["title"] == "Ein schöner Film"
    assert events[0]["level"] == "info"
    assert events[0]["timestamp"].endswith("Z")
    (caught,) = [event for event in events if event["event"] == "caught"]
    assert caught["stage"] == "feed"
    assert "ValueError: failed with ***" in caught["exception"]
    assert sum(event["level"] == "critical" for event in events) == 2


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_comes_out_by_any_way(log_format: str) -> None:
    """Fields, nested fields, objects, URLs, library logs, warnings, tracebacks and crashes are masked."""
    text = _run(log_format)
    if log_format == "console":
        assert "CANARY" not in _without_source(text)
    for secret in ("CANARY-one", 'CANARY"two', "CANARYkey", "CANARYcookie", "CANARYlocal", "CANARYs", "CANARYp@"):
        assert secret not in text
    assert text.count(MASK) > 10


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to rtmp://host/app/key now", "to rtmp://host/app/*** now"),
        ("rtmps://dc4-1.rtmp.t.me/s/123:abc", "rtmps://dc4-1.rtmp.t.me/s/***"),
        ("rtmp://host:1935/live", "rtmp://host:1935/live"),
        ("https://u:p@host/x", "https://***@host/x"),
        ("https://host/v.mp4?expire=1&sig=abc#t", "https://host/v.mp4?***#t"),
        ("srt://host:9000?passphrase=abc", "srt://host:9000?***"),
        ("SESSION_STRING=1abc", "SESSION_STRING=***"),
        ("Cookie: a=b; c=d", "Cookie: ***"),
        ("{'Authorization': 'Bearer abc'}", "{'Authorization': '***'}"),
        ("string 1" + "Ab3_" * 80 + "= ends", "string *** ends"),
        ("nothing to hide: 17 of 20 frames at 12:30", "nothing to hide: 17 of 20 frames at 12:30"),
        ("https://host/page and file:///srv/a", "https://host/page and file:///srv/a"),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_nothing_else(text: str, masked: str) -> None:
    """Keys, passwords, cookies, signatures and session strings are masked although no one named them."""
    assert redaction()(text) == masked


@given(st.text(min_size=6), st.text(), st.text())
def test_a_known_secret_never_survives(secret: str, before: str, after: str) -> None:
    """Whatever stands around it, a secret is gone from the text."""
    assert secret in MASK * 9 or secret not in redaction([secret], by_look=False)(before + secret + after).replace(
        MASK, "\0"
    )


def test_a_longer_secret_leaves_nothing_where_a_shorter_one_is_part_of_it() -> None:
    """The URL and the key in it are both secrets: no half of either is left."""
    assert redaction(["abcdef", "abcdefghij"], by_look=False)("x abcdefghij y abcdef") == "x *** y ***"


def test_a_reader_of_the_log_that_goes_away_stops_nothing() -> None:
    """`tg-video-streamer run | head -1` continues to stream without a traceback a line."""
    script = (
        "import structlog, sys\nfrom tg_video_streamer.logs import configure_logs\nconfigure_logs()\n"
        "log = structlog.get_logger()\n"
        "for number in range(20000): log.info('line', number=number)\n"
        "print('survived', file=sys.stderr)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr as errors:
        assert "survived" in errors.readline()
    process.wait(timeout=120)


def test_a_terminal_gets_colours_and_no_secret() -> None:
    """Where stdout is a terminal lines are coloured, and masked all the same."""
    script = (
        "import structlog\nfrom tg_video_streamer.logs import configure_logs\n"
        "configure_logs(secrets=['CANARY-one'])\nstructlog.get_logger('a').error('it CANARY-one', field='CANARY-one')\n"
    )
    reader, writer = os.openpty()
    try:
        subprocess.run([sys.executable, "-c", script], stdout=writer, timeout=120, check=True)
        text = os.read(reader, 65536).decode()
    finally:
        os.close(reader)
        os.close(writer)
    assert "\x1b[" in text
    assert "it ***" in text
    assert "CANARY" not in text


def test_a_secret_that_comes_later_is_masked_from_then_on() -> None:
    """A renewed session, a fetched key, a spare: what is named while the service runs is in no later line or message."""
    mask, clean = redaction(["at-the-start"]), redaction(by_look=False)
    assert mask("at-the-start later-secret late") == "*** later-secret late"
    remember_secret("later-secret", "later", "")
    for _ in range(2):
        assert mask("at-the-start later-secret late") == "*** *** late"
        assert clean("at-the-start later-secret late") == "at-the-start *** late"
    remember_secret("later-secret-and-more")
    assert clean("later-secret-and-more later-secret") == "*** ***"


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_running_log_masks_what_it_did_not_know_at_its_start(log_format: str) -> None:
    """The service's log is set up once; fields, tracebacks and library lines are masked by what came afterwards."""
    script = f"""
import logging, structlog
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.logs import configure_logs
configure_logs({log_format!r})
log = structlog.get_logger("room")
log.info("first")
remember_secret("5001:fetched-key")
log.info("got 5001:fetched-key", why=["5001:fetched-key"])
logging.getLogger("lib").warning("5001:fetched-key")
try:
    raise ValueError("5001:" + "fetched-key")
except ValueError:
    log.exception("caught")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert "5001:fetched-key" not in _without_source(done.stdout)
    assert done.stdout.count(MASK) == 4
