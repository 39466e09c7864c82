"""Whether a process grows: what it and its children hold, sampled again and again, and what the samples say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a tree of processes holds at one moment."""

    hours: float
    """When, in hours of the program."""
    resident_bytes: int
    descriptors: int
    threads: int
    children: int

    @classmethod
    def by(cls, process: psutil.Process, hours: float) -> Held:
        """What `process` and all its children hold now; a child that ends meanwhile counts as gone."""
        children = process.children(recursive=True)
        resident = descriptors = 0
        for one in (process, *children):
            try:
                resident += one.memory_info().rss
                descriptors += one.num_fds()
            except psutil.NoSuchProcess:
                continue
        return cls(
            hours=hours,
            resident_bytes=resident,
            descriptors=descriptors,
            threads=process.num_threads(),
            children=len(children),
        )


def growth_bytes_per_hour(samples: Sequence[Held]) -> float:
    """The slope of resident memory by least squares."""
    middle = sum(one.hours for one in samples) / len(samples)
    mean = sum(one.resident_bytes for one in samples) / len(samples)
    rise = sum((one.hours - middle) * (one.resident_bytes - mean) for one in samples)
    return rise / sum((one.hours - middle) ** 2 for one in samples)


def summary(samples: Sequence[Held]) -> str:
    """The samples in one line, for a log."""
    first, last = samples[0], samples[-1]
    return (
        f"{len(samples)} samples over {last.hours - first.hours:.2f} h: memory {first.resident_bytes / 1e6:.2f} to "
        f"{last.resident_bytes / 1e6:.2f} MB, {growth_bytes_per_hour(samples) / 1e3:+.1f} kB an hour; descriptors "
        f"{sorted({one.descriptors for one in samples})}, threads {sorted({one.threads for one in samples})}, children "
        f"{sorted({one.children for one in samples})}"
    )
