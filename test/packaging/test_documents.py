"""The documents: every file, command and metric that they name exists, and every command and metric is documented."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tg_video_streamer.cli import application
from tg_video_streamer.locales.translator import ENGLISH

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")],
    key=lambda path: path.as_posix(),
)
PACKAGE = REPOSITORY / "src/tg_video_streamer"
METRICS = PACKAGE / "monitoring/metrics.py"
_FOLDERS = r"(?:src|test|docs|deploy|ci|scripts|specs|bench|\.github|\.ci)/"
_IN_REPOSITORY = re.compile(rf"`({_FOLDERS}[\w./@*-]+|[\w-]+\.(?:py|toml|md))(?:::\w+)?`")
_IN_PACKAGE = re.compile(r"`([a-z_]+/[\w/]*\w+\.py|[a-z_]+/(?:[a-z_]+/)*)`")


def _named(text: str) -> Iterator[tuple[str, Path]]:
    """Each file or folder that a document names in backquotes, and where it must be."""
    for name in _IN_REPOSITORY.findall(text):
        if "*" not in name and (
            name.startswith(("src", "test", "docs", "deploy", "ci", "scripts", "specs", "bench", "."))
        ):
            yield name, REPOSITORY / name
    for name in _IN_PACKAGE.findall(text):
        if not re.match(_FOLDERS, name):
            yield name, PACKAGE / name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    """A path in a document is a file or folder of the repository, or of the package."""
    missing = [name for name, path in _named(document.read_text(encoding="utf-8")) if not path.exists()]
    assert missing == []


def test_every_page_is_in_the_table_of_contents() -> None:
    """`docs/README.md` links to every page of its folder, and `docs/decisions/README.md` to every decision."""
    for folder in (REPOSITORY / "docs", REPOSITORY / "docs/decisions"):
        linked = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (folder / "README.md").read_text(encoding="utf-8"))
        pages = {path.name for path in folder.glob("*.md")} - {"README.md"}
        assert pages <= set(linked)


def _commands(group: typer.core.TyperGroup, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_in_the_reference() -> None:
    """`docs/cli.md` names each command of the command line."""
    text = (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8")
    group = typer.main.get_command(application)
    assert isinstance(group, typer.core.TyperGroup)
    assert [name for name in _commands(group) if not re.search(rf"`{name}\b", text)] == []


def _measured() -> set[str]:
    """The names of all metric families in the source, counters with their ending."""
    names = set()
    for node in ast.walk(ast.parse(METRICS.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            first = node.args[0]
            if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
                continue
            if node.func.id in {"_gauge", "GaugeMetricFamily"}:
                names.add(first.value)
            elif node.func.id in {"_counter", "_by_label", "CounterMetricFamily"}:
                names.add(f"{first.value}_total")
    return names


def test_every_metric_is_in_the_reference_and_no_other() -> None:
    """The tables of `docs/metrics.md` hold exactly the metrics that the service exports."""
    text = (REPOSITORY / "docs/metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"(?m)^\| `([a-z_]+)` \|", text)) == _measured()


def test_the_map_of_the_code_is_complete_and_in_the_order_of_the_imports() -> None:
    """`docs/architecture.md` has every package in its table, and the layers that import-linter checks."""
    text = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == set(re.findall(r"(?m)^\| `([a-z]+)/` \|", text))
    (contract,) = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [[name.rpartition(".")[2] for name in layer.split(" | ")] for layer in contract["layers"]]
    of_packages = [names for layer in layers if (names := [name for name in layer if name in packages])]
    (stated,) = re.findall(r"(?ms)^## Import direction\n.*?^(`cli` →.*?)\n\n", text)
    assert [re.findall(r"`(\w+)`", layer) for layer in stated.split("→")][:-1] == of_packages[:-1]


def test_the_page_has_every_label_that_its_guide_names() -> None:
    """What `docs/control-room.md` sets in italics is a text of the page."""
    text = (REPOSITORY / "docs/control-room.md").read_text(encoding="utf-8")
    labels = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", text))
    assert len(labels) > 10
    assert labels - set(ENGLISH.texts.values()) == set()


def _anchors(document: Path) -> set[str]:
    """The anchors of its headings, as Markdown viewers make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_link_to_a_section_leads_to_one(document: Path) -> None:
    """A link with `#` names a heading of the page that it leads to."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", document.read_text(encoding="utf-8"))
    assert [
        link for link in links if link[1] not in _anchors((document.parent / link[0]) if link[0] else document)
    ] == []
