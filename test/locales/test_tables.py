"""The tables of texts: complete in every language, used, and formatted as people of that language write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from tg_video_streamer import locales
from tg_video_streamer.events import CutReason, SlateReason
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.language import Language
from tg_video_streamer.locales.translator import ENGLISH, LANGUAGES, Translator, environment_language

PACKAGE = Path(locales.__file__).parent.parent
EN, RU = Translator(), Translator(language=LANGUAGES["ru"])
OTHERS = [language for language in LANGUAGES.values() if language is not ENGLISH]


@pytest.mark.parametrize("language", OTHERS, ids=str)
def test_a_language_has_every_text(language: Language) -> None:
    """Each table has the keys of the English one, none empty, with the same placeholders."""
    assert language.texts.keys() == ENGLISH.texts.keys()
    for key, text in language.texts.items():
        assert text.strip(), key
        assert _placeholders(text) == _placeholders(ENGLISH.texts[key]), key


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=str)
def test_every_placeholder_can_be_formatted(language: Language) -> None:
    """No suffix of a placeholder is misspelled, and every count has its plural form."""
    words = Translator(language=language)
    for key, text in language.texts.items():
        for count in (0, 1, 2, 5, 11, 21, 22, 101):
            assert words.text(key, **dict.fromkeys(_placeholders(text), count)).strip(), key


def test_every_reason_has_its_texts() -> None:
    """Status and as-run page have a text for each reason of a cut and of the slate."""
    keys = {f"{kind}.{reason}" for kind in ("cut", "ended") for reason in CutReason}
    keys |= {f"slate_reason.{reason}" for reason in SlateReason}
    assert keys <= ENGLISH.texts.keys()


def test_every_text_is_used_and_every_used_key_has_a_text() -> None:
    """Each key stands in the source, whole or as the pattern that makes it; each call of a translator has its text."""
    literals, patterns, called = set[str](), set[str](), set[str]()
    for module in PACKAGE.rglob("*.py"):
        if module.parent.name == "locales" and module.stem in LANGUAGES:
            continue
        source = module.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                patterns.add("".join(_pattern(node)))
        patterns |= {rf"{kind}\.[a-z_]+" for kind in re.findall(r"""\bstate(?:_text)?\(\s*["']([a-z_]+)["']""", source)}
        called |= set(
            re.findall(r"""(?:words(?:\.text)?|\b(?:Message|Error|NoService)\.of)\(\s*["']([a-z_.]+)["']""", source)
        )
    called |= {text for text in literals if re.fullmatch(r"doctor\.[a-z_]+", text)}
    made = re.compile("|".join(one for one in patterns if re.fullmatch(r"[a-z_]+\\\..*", one)))
    bases = {key: key.removesuffix(".remedy") for key in ENGLISH.texts}
    assert {key for key, base in bases.items() if base not in literals and not made.fullmatch(base)} == set()
    assert len(called) > 100
    assert called <= ENGLISH.texts.keys()


def test_russian_is_written_in_russian() -> None:
    """No line of the Russian table was left in English; what has no letters is the same in both."""
    left = {
        key
        for key, text in LANGUAGES["ru"].texts.items()
        if not re.search("[а-яё]", text, re.IGNORECASE)  # noqa: RUF001 - Russian letters
        and re.search("[a-z]", re.sub("{[^}]*}|Telegram", "", text), re.IGNORECASE)
    }
    assert left == set()


def test_figures_read_well() -> None:
    """Minutes and megabits, not raw numbers, with the decimal sign and the units of the language."""
    assert [clock_text(seconds) for seconds in (-1, 0, 59.9, 754, 3723)] == ["0:00", "0:00", "0:59", "12:34", "1:02:03"]
    spans = [EN.span(seconds) for seconds in (5, 65, 120, 7800, 360_000)]
    assert spans == ["5 s", "1 min 5 s", "2 min", "2 h 10 min", "4 d 4 h"]
    assert [EN.rate(bits) for bits in (0, 949_600, 2_612_000)] == ["0 kbit/s", "950 kbit/s", "2.6 Mbit/s"]
    assert RU.rate(2_612_000) == "2,6 Мбит/с"  # noqa: RUF001 - Russian letters
    sizes = [EN.size(count) for count in (12_000, 3_400_000, 1_200_000_000, 5_600_000_000_000)]
    assert sizes == ["12 kB", "3.4 MB", "1.2 GB", "5.6 TB"]


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ru"}, "ru"),
        ({"LANG": "xx"}, "en"),
    ],
)
def test_a_terminal_has_the_language_of_its_locale(environment: dict[str, str], code: str) -> None:
    """LC_ALL, LC_MESSAGES and LANG count in this order; what has no table is English."""
    assert environment_language(environment).code == code


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _pattern(text: ast.JoinedStr) -> Iterator[str]:
    for part in text.values:
        yield re.escape(part.value) if isinstance(part, ast.Constant) and isinstance(part.value, str) else "[a-z_]+"
