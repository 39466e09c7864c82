"""A language: its texts, its plural forms and its decimal sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Language:
    """What one language module defines."""

    code: str
    """ISO 639-1, the module's name too."""
    name: str
    """In the language itself, for a language switch."""
    decimal_sign: str
    plural: Callable[[int], int]
    """The index of the plural form for a count, as in `{count:plural:entry|entries}`."""
    texts: Mapping[str, str]

    def __str__(self) -> str:
        """The code."""
        return self.code
