"""A message for people: a key with values, rendered by each reader in their own language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from tg_video_streamer.display_text import one_line, readable
from tg_video_streamer.locales.en import LANGUAGE as ENGLISH
from tg_video_streamer.locales.format import render

_RAW = "raw"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A text of the tables with its values; `asdict` makes its JSON form."""

    key: str
    values: Mapping[str, str | int | float | Message] = field(default_factory=dict)
    text: str = ""
    """In English, for logs and for programs that read the API; made from key and values where it is not given."""

    def __post_init__(self) -> None:
        # Values are often paths, titles and words of others: they are made safe here, once, for all readers.
        clean = readable if self.key == _RAW else one_line
        values = {name: clean(one) if isinstance(one, str) else one for name, one in self.values.items()}
        object.__setattr__(self, "values", values)
        if self.text:
            object.__setattr__(self, "text", readable(self.text))
        else:
            object.__setattr__(self, "text", render(ENGLISH, self.key, self.values))

    @classmethod
    def of(cls, key: str, /, **values: str | float | Message) -> Self:
        """The message of `key`. Raises KeyError where no table has the key or a value is missing."""
        return cls(key=key, values=values)

    @classmethod
    def find(cls, key: str, /, **values: str | float | Message) -> Self | None:
        """The message of `key`, or None where no table has the key."""
        return cls(key=key, values=values) if key in ENGLISH.texts else None

    @classmethod
    def raw(cls, text: str) -> Self:
        """Words of a third party, or a text without a key: the same in every language."""
        return cls.of(_RAW, text=text)

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """The message that `asdict` made. Raises KeyError, TypeError or AttributeError for anything else."""
        values = {name: cls.from_json(one) if isinstance(one, dict) else one for name, one in fields["values"].items()}
        return cls(key=str(fields["key"]), values=values, text=str(fields["text"]))

    def map_texts(self, change: Callable[[str], str]) -> Self:
        """The same message with `change` applied to the English text and to each text among the values."""
        values = {
            name: one.map_texts(change) if isinstance(one, Message) else change(one) if isinstance(one, str) else one
            for name, one in self.values.items()
        }
        return replace(self, values=values, text=change(self.text))

    def __str__(self) -> str:
        """The English text."""
        return self.text
