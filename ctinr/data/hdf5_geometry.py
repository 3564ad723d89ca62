"""The rays of a scan in its file: one group, whose fields depend on the kind of beam."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr import checks
from ctinr.data.files import naming
from ctinr.data.hdf5_access import put, take, text_attribute, valid_fields
from ctinr.geometry import Beam, ConeBeam, Detector, FanBeam, Grid, ParallelBeam, VectorBeam

if TYPE_CHECKING:
    import h5py

NO_UNIT, MILLIMETRE, RADIAN = "1", "mm", "rad"
DISTANCES = ("source_distance", "detector_distance")
UNITS: Mapping[str, str] = MappingProxyType(
    {"angles": RADIAN, "u_axes": NO_UNIT, "v_axes": NO_UNIT, "origins": MILLIMETRE}
    | dict.fromkeys(("centers", *DISTANCES, "helical_pitch"), MILLIMETRE)
)
# From an attribute to the argument that it decides, and its word for no and for yes.
WORDS: Mapping[str, tuple[str, tuple[str, str]]] = MappingProxyType(
    {"detector": ("curved", ("flat", "curved")), "rays": ("parallel", ("diverging", "parallel"))}
)


@dataclass(frozen=True)
class Form:
    """What a file holds of one kind of beam, besides its detector.

    Parameters
    ----------
    kind : type
        The geometry that it becomes.
    arrays, lengths : tuple of str
        Fields of numbers for every view, and of one number each.
    words : tuple of str
        Attributes of the group; see `WORDS`.
    """

    kind: type[Beam]
    arrays: tuple[str, ...] = ("angles",)
    lengths: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


VECTORS = ("origins", "centers", "u_axes", "v_axes")
FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "parallel": Form(ParallelBeam),
        "fan": Form(FanBeam, lengths=DISTANCES, words=("detector",)),
        "cone": Form(ConeBeam, lengths=(*DISTANCES, "helical_pitch"), words=("detector",)),
        "vectors": Form(VectorBeam, arrays=VECTORS, words=("rays",)),
    }
)


def put_geometry(file: h5py.File, geometry: Beam) -> None:
    """Write the group /geometry."""
    group, values = file.create_group("geometry"), geometry.to_dict()
    group.attrs["beam"] = np.bytes_(values["beam"])
    form = FORMS[values["beam"]]
    for word in form.words:
        argument, spelled = WORDS[word]
        group.attrs[word] = np.bytes_(spelled[values[argument]])
    for name in form.arrays:
        if values[name] is not None:
            put(group, name, np.asarray(values[name]), units=_unit(name, values))
    for name in form.lengths:
        put(group, name, np.asarray([values[name]]), units=MILLIMETRE)
    put_lengths(group, "detector", geometry.detector, ("pitch", "offset"))


def put_lengths(group: h5py.Group, name: str, placed: Any, lengths: tuple[str, str]) -> None:
    """Write the shape and two lengths an axis of a grid or a detector as a group."""
    put(group, f"{name}/shape", np.asarray(placed.shape), units=NO_UNIT)
    for length in lengths:
        put(group, f"{name}/{length}", np.asarray(getattr(placed, length)), units=MILLIMETRE)


def take_lengths(file: h5py.File, name: str, lengths: tuple[str, str]) -> dict[str, Any]:
    """Return the shape and two lengths an axis that `put_lengths` wrote."""
    taken = {length: take(file, f"{name}/{length}", MILLIMETRE).tolist() for length in lengths}
    return {"shape": take(file, f"{name}/shape", NO_UNIT).tolist(), **taken}


def take_geometry(file: h5py.File) -> dict[str, Any]:
    """Return what the group /geometry holds, as plain values that nobody has checked yet."""
    beam = text_attribute(file["geometry"], "beam") if "geometry" in file else None
    values: dict[str, Any] = {"beam": _one_of(file, "beam", beam, tuple(FORMS))}
    form = FORMS[values["beam"]]
    for word in form.words:
        argument, spelled = WORDS[word]
        given = _one_of(file, word, text_attribute(file["geometry"], word), spelled)
        values[argument] = given == spelled[1]
    values["detector"] = take_lengths(file, "geometry/detector", ("pitch", "offset"))
    for name in form.arrays:
        missing = name == "v_axes" and np.size(values["detector"]["shape"]) != 2
        values[name] = None if missing else _numbers(file, name, values)
    for name in form.lengths:
        values[name] = _one_length(file, name)
    return values


def assembled_geometry(path: str | os.PathLike[str], values: Mapping[str, Any]) -> Beam:
    """Return the geometry of what was taken; errors name the file and the field."""
    form = FORMS[values["beam"]]
    with naming(path, valid_fields("geometry/detector", ("shape", "pitch", "offset"))):
        detector = Detector(**values["detector"])
    with naming(path, valid_fields("geometry", ("detector", *form.arrays, *form.lengths))):
        return form.kind.from_dict({**values, "detector": detector.to_dict()})


def assembled_grid(path: str | os.PathLike[str], lengths: Mapping[str, Any]) -> Grid:
    """Return the grid of what was taken; errors name the file and the field."""
    with naming(path, valid_fields("grid", ("shape", "spacing", "center"))):
        return Grid(**lengths)


def _unit(name: str, values: Mapping[str, Any]) -> str:
    """Return the unit of a field; the origins of parallel rays are directions."""
    return NO_UNIT if name == "origins" and values["parallel"] else UNITS[name]


def _numbers(file: h5py.File, name: str, values: Mapping[str, Any]) -> Any:
    return take(file, f"geometry/{name}", _unit(name, values)).tolist()


def _one_length(file: h5py.File, name: str) -> float:
    stored = take(file, f"geometry/{name}", MILLIMETRE)
    rule = f"name a file whose field /geometry/{name} holds one number"
    checks.require(stored.size == 1, "path", rule, f"'{file.filename}' with {stored.size}")
    return float(stored.item())


def _one_of(file: h5py.File, attribute: str, given: str | None, known: tuple[str, ...]) -> str:
    """Return the value of an attribute of /geometry; raise unless it is a known one."""
    listed = " or ".join(repr(word) for word in known)
    rule = f"name a file whose attribute /geometry `{attribute}` is {listed}"
    checks.require(given in known, "path", rule, f"'{file.filename}' with {given!r}")
    return str(given)
