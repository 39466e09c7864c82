"""What the tests of deployments share: the artefact of a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.artefacts import make_light_release


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with 1.0, a light release."""
    folder = tmp_path_factory.mktemp("dist")
    make_light_release(folder, "1.0")
    return folder
