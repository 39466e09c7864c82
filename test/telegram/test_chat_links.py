"""Which links to Telegram may come from the chat."""

from __future__ import annotations

import pytest

from tg_video_streamer.app.chat import refuse_private_link
from tg_video_streamer.errors import ResolveError


@pytest.mark.parametrize("link", ["https://t.me/testchan/5", "https://t.me/TestChan"])
async def test_public_chats_may(link: str) -> None:
    """A chat with a public name may be played by its link, without a look-up of the host."""
    await refuse_private_link(link)


@pytest.mark.parametrize(
    "link", ["https://t.me/c/1234567890/5", "https://t.me/c/1234567890", "https://t.me/+AbCdEf123456"]
)
async def test_private_chats_may_not(link: str) -> None:
    """What only the account can see may not be put on air by those who may write commands in the chat."""
    with pytest.raises(ResolveError) as refused:
        await refuse_private_link(link)
    assert refused.value.remedy
