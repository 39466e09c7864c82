"""The steps by which an encode gets cheaper on a busy host, with the very codec headers of the full one; pure.

Measured on a clip of 1080p with B-frames, encoded to 720p (user and system seconds against the full step): `_COSTS`. A smaller
picture inside the frame is none of them: to scale twice costs more than x264 saves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from tg_video_streamer.ffmpeg.encode import SAFE_VIDEO_ARGUMENTS
from tg_video_streamer.ffmpeg.house import Economy, HouseFormat


class EncodeStep(StrEnum):
    """How an item is encoded, best first."""

    FULL = "full"
    """As the operator has set it."""
    FASTER = "faster"
    """With x264's preset `superfast`."""
    FASTEST = "fastest"
    """With x264's preset `ultrafast`."""
    HALF = "half"
    """The same with half of the pictures, each shown twice."""
    COARSE = "coarse"
    """The same with a third of the pictures, decoded roughly."""


_COSTS: Mapping[EncodeStep, float] = MappingProxyType(
    {
        EncodeStep.FULL: 1.0,
        EncodeStep.FASTER: 0.79,
        EncodeStep.FASTEST: 0.68,
        EncodeStep.HALF: 0.58,
        EncodeStep.COARSE: 0.40,
    }
)
_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
"""x264's, from the fastest on."""
_OF_STEPS: Mapping[EncodeStep, str] = MappingProxyType(
    {
        EncodeStep.FASTER: "superfast",
        EncodeStep.FASTEST: "ultrafast",
        EncodeStep.HALF: "ultrafast",
        EncodeStep.COARSE: "ultrafast",
    }
)
_ECONOMIES: Mapping[EncodeStep, Economy] = MappingProxyType(
    {EncodeStep.HALF: Economy.HALF, EncodeStep.COARSE: Economy.COARSE}
)
_REFERENCES: Mapping[str, int] = MappingProxyType(
    {"faster": 2, "fast": 2, "medium": 3, "slow": 5, "slower": 8, "veryslow": 16, "placebo": 16}
)
"""Reference frames that a preset writes into the headers, if not one."""
_PSYCHOVISUAL = frozenset(_PRESETS[_PRESETS.index("fast") :])
"""Presets whose psychovisual optimization lowers the offset of the chroma quantizer in the headers."""
_PSYCHOVISUAL_OFFSET = 2


def relative_cost(before: EncodeStep, after: EncodeStep) -> float:
    """Processor time of `after` for each second of `before`."""
    return _COSTS[after] / _COSTS[before]


def usable_steps(house: HouseFormat, *, presets: bool = True) -> tuple[EncodeStep, ...]:
    """The steps that cost less than the one before; without `presets` those that leave the encoder alone."""
    live = _live_preset(house) if presets else ""
    faster = {name for name in _PRESETS if live and _PRESETS.index(name) < _PRESETS.index(live)}
    return tuple(
        step for step in EncodeStep if step in _ECONOMIES or step is EncodeStep.FULL or _OF_STEPS[step] in faster
    )


def stepped(house: HouseFormat, step: EncodeStep, *, presets: bool = True) -> HouseFormat:
    """The house format as `step` encodes it; without `presets` by the operator's encoder options alone."""
    economy = _ECONOMIES.get(step, Economy.NONE)
    live = _live_preset(house) if presets else ""
    wanted = _OF_STEPS.get(step, "")
    if not live or not wanted or _PRESETS.index(wanted) >= _PRESETS.index(live):
        return replace(house, economy=economy)
    given = dict(zip(house.encoder_arguments[::2], house.encoder_arguments[1::2], strict=True))
    given |= {"-preset": wanted, "-x264-params": _same_headers(live, wanted, given)}
    return replace(house, economy=economy, encoder_arguments=tuple(word for pair in given.items() for word in pair))


def _live_preset(house: HouseFormat) -> str:
    """The preset of x264; empty for another encoder."""
    given = dict(zip(house.encoder_arguments[::2], house.encoder_arguments[1::2], strict=True))
    preset = given.get("-preset", SAFE_VIDEO_ARGUMENTS[-1])
    return preset if given.get("-c:v", "libx264") == "libx264" and preset in _PRESETS else ""


def _same_headers(live: str, wanted: str, arguments: Mapping[str, str]) -> str:
    """The operator's x264 parameters, and those by which a faster preset writes the headers of `live`."""
    given = dict(part.split("=", 1) for part in arguments.get("-x264-params", "").split(":") if part)
    profile = arguments.get("-profile:v", "high")
    same = {"ref": str(_REFERENCES.get(live, 1))}
    if wanted == "ultrafast" and profile in {"main", "high"}:
        same |= {"cabac": "1", "weightp": "1"} | ({"8x8dct": "1"} if profile == "high" else {})
    if live in _PSYCHOVISUAL and "subme" not in given:
        same["chroma-qp-offset"] = str(int(given.pop("chroma-qp-offset", "0")) - _PSYCHOVISUAL_OFFSET)
    return ":".join(f"{key}={value}" for key, value in (same | given).items())
