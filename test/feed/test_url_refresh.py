"""URLs that expire are replaced in time, and an answer that grew stale is not used."""

from __future__ import annotations

from stands.feeding import item_of
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import ResolveError, StreamerError
from tg_video_streamer.feed.url_refresh import MARGIN_SECONDS, UrlRefresh
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media


class Answers:
    """A resolver of numbered answers with given lifetimes."""

    def __init__(self, *lives: float) -> None:
        self.lives = list(lives)
        self.asked = 0
        self.failures: list[StreamerError] = []

    async def resolve(self, _item: Item) -> Media | Expansion:
        """The next answer; an error where there is none."""
        self.asked += 1
        if not self.lives:
            raise ResolveError("it cannot be found now")
        return Media(inputs=(), title=str(self.asked), expires_wall=SystemClock().wall() + self.lives.pop(0))

    def renewal(self) -> UrlRefresh:
        """A renewal that asks this resolver."""
        return UrlRefresh(
            item_of("https://host/"),
            resolve=self.resolve,
            clock=SystemClock(),
            failed=lambda _, error: self.failures.append(error),
        )


async def taken(renewal: UrlRefresh) -> Media:
    """The next answer, which is no list here."""
    found = await renewal.take()
    assert isinstance(found, Media)
    return found


async def test_fresh_answer_is_at_hand() -> None:
    """An answer that is about to expire is followed by a new one, which the next try gets without asking."""
    answers = Answers(MARGIN_SECONDS + 0.05, 3600.0)
    renewal = answers.renewal()
    await renewal.refresh(await taken(renewal))
    assert answers.asked == 2
    assert (await taken(renewal)).title == "2"
    assert answers.asked == 2


async def test_stale_answer_is_not_used() -> None:
    """An answer that expired while an item was paused is thrown away."""
    answers = Answers(1.0, 1.0, 3600.0)
    renewal = answers.renewal()
    await renewal.refresh(await taken(renewal))
    assert (await taken(renewal)).title == "3"


async def test_failed_renewal_is_told() -> None:
    """A renewal that fails is reported, and disturbs nothing that plays."""
    answers = Answers(1.0)
    renewal = answers.renewal()
    await renewal.refresh(await taken(renewal))
    assert [error.reason for error in answers.failures] == ["resolve_error"]
