"""One type of Telegram's schema: a union of constructors, each of which has a stated meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NoReturn, TypeVar

from telethon.tl.tlobject import TLObject

from tg_video_streamer.errors import AnswerUnreadable, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.client.boundary import reading

Value = TypeVar("Value")
Other = TypeVar("Other")


class TlType(Generic[Value]):
    """Reads an object of one type. A test compares the constructors with those of Telethon's schema."""

    def __init__(self, readings: Mapping[type[TLObject], Callable[[Any], Value]]) -> None:
        self._readings = dict(readings)

    @property
    def constructors(self) -> frozenset[type[TLObject]]:
        """Those that have a meaning here."""
        return frozenset(self._readings)

    def knows(self, answer: object) -> bool:
        """Whether `answer` is of this type."""
        return type(answer) in self._readings

    def read(self, answer: object) -> Value:
        """What `answer` means; raises TelegramRefused, AnswerUnreadable (another type, a later schema, a missing value)."""
        name = type(answer).__name__
        meaning = self._readings.get(type(answer))
        if meaning is None:
            raise AnswerUnreadable.of("telegram.unknown_answer", name=name)
        with reading(name):
            return meaning(answer)


def always(value: Other) -> Callable[[Any], Other]:
    """The reading of a constructor that means `value`, whatever it holds."""
    return lambda _answer: value


def refusing(key: str, word: str) -> Callable[[Any], NoReturn]:
    """The reading of a constructor that is a refusal, with the text of `key`."""

    def refuse(_answer: Any) -> NoReturn:
        raise TelegramRefused(Message.of(key), word=word)

    return refuse
