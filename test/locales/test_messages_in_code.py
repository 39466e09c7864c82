"""What the code says to people is a key with values: no error is raised with a sentence of one language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from tg_video_streamer import locales
from tg_video_streamer.locales.translator import ENGLISH

PACKAGE = Path(locales.__file__).parent.parent
SENTENCES = {
    "ConfigError": "problems of settings name keys and values, and stay English",
    "ScheduleError": "problems of the schedule name places of a file, and stay English",
    "MalformedMessage": "what a network peer sent, for the log",
    "CachedEncodeDamaged": "it is removed and encoded again; only the log says so",
    "CachedEncodeOfLaterVersion": "it is ignored; only the log says so",
    "StepChanged": "the rest of the item is encoded at another step; only the log says so",
    "NotHouseFormat": "the source is encoded instead; only the log says so",
}
"""The errors that may be raised with a sentence, and why."""


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in PACKAGE.rglob("*.py"):
        yield path.relative_to(PACKAGE), ast.parse(path.read_text())


MODULES = dict(_modules())


def _errors() -> set[str]:
    """The names of all error classes of the package."""
    classes = [node for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {"StreamerError"}
    while True:
        more = {
            one.name for one in classes if any(isinstance(base, ast.Name) and base.id in found for base in one.bases)
        }
        if more <= found:
            return found
        found |= more


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{path}:{node.lineno}", node


def test_no_error_is_raised_with_a_sentence() -> None:
    """What happened and what to do are messages in every error but those of the list above."""
    errors = _errors()
    assert len(errors) > 30
    assert set(SENTENCES) <= errors
    found = [
        f"{where}: {ast.unparse(call)}"
        for where, call in _calls()
        if isinstance(call.func, ast.Name) and call.func.id in errors - set(SENTENCES)
        for text in (*call.args[:1], *(one.value for one in call.keywords if one.arg == "remedy"))
        if isinstance(text, ast.JoinedStr) or (isinstance(text, ast.Constant) and text.value)
    ]
    assert found == []


def test_every_key_gets_its_values() -> None:
    """Where the key stands in the call, its text and its remedy find a value for each placeholder."""
    wrong, checked = [], 0
    for where, call in _calls():
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "of" and call.args):
            continue
        first, named = call.args[0], {one.arg for one in call.keywords}
        if not (isinstance(first, ast.Constant) and isinstance(first.value, str)) or None in named:
            continue
        if first.value not in ENGLISH.texts:
            continue
        checked += 1
        texts = [ENGLISH.texts[first.value], ENGLISH.texts.get(f"{first.value}.remedy", "")]
        # The remedy of a message alone is made by the error that gets the message.
        wanted = set().union(*map(_placeholders, texts))
        if not _placeholders(texts[0]) <= named or (named and not named <= wanted | {"command"}):
            wrong.append(f"{where}: {first.value} has {sorted(wanted)}, and gets {sorted(map(str, named))}")
    assert checked > 300
    assert wrong == []


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
