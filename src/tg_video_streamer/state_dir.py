"""The default of STATE_DIR: systemd's folder, or one of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_NAME = "tg_video_streamer"
_SYSTEM = Path("/var/lib")


def default_state_dir(environment: Mapping[str, str], env_file: Path | None, *, system: Path = _SYSTEM) -> Path:
    """STATE_DIRECTORY, else the folder of the installed service whose settings `env_file` is, else the XDG one.

    The second is for a person's command on a host: only the service itself gets STATE_DIRECTORY from systemd. The result may
    begin with `~`.
    """
    if (folders := environment.get("STATE_DIRECTORY", "")).startswith("/"):
        return Path(folders.split(":")[0])
    for unit in _units(env_file):
        if (system / unit).is_dir():
            return system / unit
    xdg = environment.get("XDG_STATE_HOME", "")
    # The specification: a relative path in it is to be ignored.
    return (Path(xdg) if xdg.startswith("/") else Path("~/.local/state")) / _NAME


def _units(env_file: Path | None) -> list[str]:
    """The unit that the place of `env_file` is for: shared/ next to releases/, or a folder of its own in shared/."""
    if env_file is None:
        return []
    folder = env_file.resolve().parent
    places = {folder: _NAME, folder.parent: f"{_NAME}@{folder.name}"}
    return [
        unit for shared, unit in places.items() if shared.name == "shared" and (shared.parent / "releases").is_dir()
    ]
