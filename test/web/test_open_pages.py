"""Open streams end with their sign-in."""

from __future__ import annotations

from functools import partial
from http.client import HTTPResponse

import pytest

from stands import secrets
from stands.page import OPERATOR, TOKENS, VIEWER, access_to, served
from stands.page_visitor import PageVisitor
from stands.program import Clip, Program
from tg_video_streamer.web.auth.tokens import Tokens

secrets.never_shown(OPERATOR, VIEWER)


def ends(stream: HTTPResponse) -> bool:
    """Whether the stream ends; an open one sends something at least once a second."""
    return any(not stream.read1(65_536) for _ in range(30)) and stream.isclosed()


@pytest.mark.parametrize("path", ["/events", "/preview/live.mp4"])
def test_a_sign_out_ends_what_is_open(clip: Clip, path: str) -> None:
    """A sign-out ends the open streams of that browser; another browser's continue."""
    behind_proxy = partial(access_to, behind_proxy=True)
    with Program(clip) as program, served(program, access=behind_proxy) as site:
        leaves, stays = (PageVisitor(port=site.listener.port) for _ in range(2))
        assert [one.sign_in(VIEWER).status for one in (leaves, stays)] == [200, 200]
        with leaves.watch(path) as left, stays.watch(path) as stayed:
            assert (left.status, stayed.status) == (200, 200)
            assert left.read1(100)
            assert leaves.post("/logout").status == 303
            assert ends(left)
            assert stayed.read1(100)
            assert not stayed.isclosed()


def test_a_token_that_changes_ends_what_it_opened(clip: Clip) -> None:
    """A changed token ends the streams that were opened with the old one."""
    now = [TOKENS]
    with served(Program(clip), access=partial(access_to, tokens=lambda: now[0])) as site:
        program = PageVisitor(port=site.listener.port, token=OPERATOR)
        with program.watch("/events") as stream:
            assert stream.read1(100)
            now[0] = Tokens(operator="another-token-of-the-operator", viewer=VIEWER)
            assert ends(stream)
