"""Checks whether a folder can hold a library: locks and SQLite's shared memory need a local file system."""

from __future__ import annotations

import re
from pathlib import Path

_NETWORK = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse.ceph",
        "fuse.cifs",
        "fuse.davfs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.nfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs3",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb2",
        "smb3",
        "smbfs",
        "davfs",
        "vboxsf",
    ]
)
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def network_file_system(folder: Path) -> str:
    """The type of the network file system that holds `folder`, such as nfs4; empty for a local one."""
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        # Only Linux has this file.
        return ""
    kind = file_system(folder.resolve(), mounts)
    return kind if kind in _NETWORK else ""


def file_system(path: Path, mounts: bytes) -> str:
    """The type of the file system that holds `path`, from the text of /proc/self/mountinfo (proc(5)); empty if unknown."""
    parents = {bytes(parent) for parent in (path, *path.parents)}
    best = (-1, "")
    for line in mounts.splitlines():
        fields = line.split(b" ")
        if len(fields) < 5 or b"-" not in fields:
            continue
        point = _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
        # Of several mounts at one point the last hides the others.
        if point in parents and len(point) >= best[0]:
            best = (len(point), fields[fields.index(b"-") + 1].decode("ascii", "replace"))
    return best[1]
