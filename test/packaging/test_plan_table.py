"""The table of the 002 plan: every file and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "specs/002-prod-broadcast-improvements"


def _rows() -> list[list[str]]:
    lines = (FOLDER / "README.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_every_line_of_the_plan_is_somewhere_and_proved() -> None:
    """What a row names exists: files, and test functions by name in their files."""
    rows = _rows()
    assert len(rows) >= 16
    for said, where, proof in rows:
        places, proofs = re.findall(r"`([^`]+)`", where), re.findall(r"`([^`]+)`", proof)
        assert places, said
        assert proofs, said
        for name in (*places, *proofs):
            path, _, test = name.partition("::")
            assert (REPOSITORY / path).is_file(), f"{said}: {path}"
            if test:
                assert re.search(rf"(?m)^(?:async )?def {test}\(", (REPOSITORY / path).read_text()), f"{said}: {name}"


def test_links_of_the_plan_and_the_runbook_lead_somewhere() -> None:
    """No document of the host has a link to a file that is not there."""
    for document in (FOLDER / "README.md", FOLDER / "quickstart.md", REPOSITORY / "docs/runbook.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_plans_deploy_folder_is_the_repositorys() -> None:
    """Both paths are one folder."""
    link = FOLDER / "deploy"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == REPOSITORY / "deploy"
