"""Our model of systemd's reader of `.env` files, held against the real one."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from stands.installed_host import suite_for_this_python
from stands.systemd_container import SystemdContainer
from tg_video_streamer.envfile.compat import systemd_values

TEXTS = 150
_PIECES = (
    *(
        "A",
        "B",
        "KEY",
        "=",
        "==",
        " ",
        "  ",
        "\t",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "#",
        " # x",
        ";",
        "'",
        "'",
        '"',
        '"',
        "\\",
        "\\\\",
    ),
    *(
        "$",
        "`",
        "$A",
        "a",
        "b c",
        "export ",
        "export A=1",
        "A=1\n",
        "B='x y'\n",
        'KEY="a\\"b"\n',
        "A=b # c\n",
        "9=1\n",
        "\\n",
    ),
)


@pytest.fixture(scope="module")
def host() -> Iterator[SystemdContainer]:
    """A host that starts services."""
    with SystemdContainer(suite_for_this_python()) as host:
        yield host


def test_our_model_of_systemd_reads_every_text_as_systemd_does(host: SystemdContainer) -> None:
    """Random texts out of everything that is special in such a file give the same values in a real service."""
    dice = random.Random(4711)  # noqa: S311 - the same texts each time
    texts = ["".join(dice.choices(_PIECES, k=dice.randint(1, 14))) for _ in range(TEXTS)]
    folder = host.path("/srv/env")
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.env").write_text(text, newline="")
    host.sh(
        "cd /srv/env; for file in *.env; do systemd-run --quiet --wait --property=EnvironmentFile=-/srv/env/$file"
        " --property=StandardOutput=file:/srv/env/${file%.env}.out /usr/bin/env -0 || exit 1; done",
        timeout=280,
    )
    for number, text in enumerate(texts):
        said = (folder / f"{number}.out").read_bytes().decode().split("\0")
        real = dict(one.split("=", 1) for one in said if "=" in one)
        ours = systemd_values(text)
        assert {key: real.get(key) for key in ("A", "B", "KEY")} == {key: ours.get(key) for key in ("A", "B", "KEY")}, (
            text
        )
