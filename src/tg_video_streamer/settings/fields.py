"""Types and checks of single settings; no message repeats a value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import AfterValidator, SecretStr, ValidationInfo

from tg_video_streamer.errors import ConfigError

Value = TypeVar("Value", str, SecretStr)


def words(value: object) -> object:
    """A text of words as a tuple of them; commas count as spaces."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def folders(value: object) -> object:
    """A text of paths, separated by colons as in PATH, as a tuple of them."""
    return tuple(part for part in value.split(":") if part) if isinstance(value, str) else value


def based(path: Path, info: ValidationInfo) -> Path:
    """`path` made absolute: `~` is the user's home, a relative one starts at the folder of the `.env` file."""
    context: Mapping[str, Path] = info.context or {}
    if path.parts[:1] == ("~",):
        path = context.get("home", Path.home()).joinpath(*path.parts[1:])
    return context.get("base", Path.cwd()) / path


def secret_matching(pattern: str, meaning: str) -> AfterValidator:
    """A check of a secret's shape; its message states the shape, never the value."""

    def check(secret: SecretStr) -> SecretStr:
        if secret.get_secret_value() and not re.fullmatch(pattern, secret.get_secret_value()):
            raise ValueError(f"must be {meaning}")
        return secret

    return AfterValidator(check)


def matching(pattern: str, meaning: str) -> AfterValidator:
    """A check of a text's shape."""

    def check(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(f"must be {meaning}")
        return text

    return AfterValidator(check)


def network(text: str) -> str:
    """An IP address or network. Raises ValueError."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be addresses or networks such as 10.0.0.5 or 10.0.0.0/24") from None
    return text


def each(check: AfterValidator) -> AfterValidator:
    """The same check for every word of a tuple."""

    def check_all(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check.func(word) for word in words)  # type: ignore[call-arg] # our checks take no info

    return AfterValidator(check_all)


def languages(parse: Callable[[str], object]) -> AfterValidator:
    """A check of a list of languages by the function that reads it later."""

    def check(text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            # A secret that was pasted here is longer than any word that is meant.
            word = f"{error} is no language; " if len(str(error)) <= 12 else ""
            raise ValueError(f"{word}must be codes such as ru, en or pt-BR") from None
        return text

    return AfterValidator(check)


def read_by(read: Callable[[str], object]) -> AfterValidator:
    """A check by the function that reads the value later; its ConfigError never repeats it."""

    def check(value: Value) -> Value:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            read(text)
        except ConfigError as error:
            raise ValueError(error.problems[0].partition(": ")[2]) from None
        return value

    return AfterValidator(check)
