"""The root of the tree of errors; the tree is in `errors.py`, from where all of them are imported."""

from __future__ import annotations

from typing import Self

from tg_video_streamer.locales.message import Message


class StreamerError(Exception):
    """What happened and how to fix it; `str()` is the one line that the operator reads."""

    reason: str = "streamer_error"
    """The label of this error in metrics, events and states; each class has its own."""
    permanent: bool = False
    """Another attempt would end in the same way."""

    def __init__(self, what: str | Message, *, remedy: str | Message | None = None) -> None:
        """`what` names the thing and the place.

        `remedy` is an instruction; without it the text of `what`'s key with `.remedy` behind it, where the tables have one.
        """
        super().__init__(str(what))
        self.message = what if isinstance(what, Message) else Message.raw(what)
        """What happened, for a reader in any language; `what` is the same in English."""
        if remedy is None:
            remedy = Message.find(f"{self.message.key}.remedy", **self.message.values) or ""
        self.remedy_message = remedy if isinstance(remedy, Message) else Message.raw(remedy) if remedy else None
        self.what = str(what)
        self.remedy = str(remedy)

    @classmethod
    def of(cls, key: str, /, **values: str | float | Message) -> Self:
        """The error whose texts are `key`, and `key.remedy` where the tables have that."""
        return cls(Message.of(key, **values))

    @classmethod
    def because_of(cls, error: StreamerError) -> Self:
        """The error of this class with the texts of another one."""
        return cls(error.message, remedy=error.remedy_message or "")

    @property
    def full_message(self) -> Message:
        """What happened and how to fix it, as one message."""
        if self.remedy_message is None:
            return self.message
        return Message.of("with_remedy", what=self.message, remedy=self.remedy_message)

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what
