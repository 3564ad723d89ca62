"""The beams in two dimensions, as one type and by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ctinr import checks
from ctinr.geometry.fan import FanBeam
from ctinr.geometry.parallel import ParallelBeam

Beam = ParallelBeam | FanBeam

BEAMS: Mapping[str, type[ParallelBeam] | type[FanBeam]] = MappingProxyType(
    {"parallel": ParallelBeam, "fan": FanBeam}
)


def beam_from_dict(values: Mapping[str, Any]) -> Beam:
    """Return the geometry that its `to_dict` described, whichever beam it is.

    Raises
    ------
    ValueError
        If the beam's name is unknown, or a value is not what the beam asks for.
    """
    return BEAMS[checks.one_of(values["beam"], "beam", tuple(BEAMS))].from_dict(values)
