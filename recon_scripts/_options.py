"""Options that several commands have; the text under a field is its help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

# Where None stands for a choice that the help describes in words.
Described = arg(help_behavior_hint="")
ScanPath = Annotated[Path | None, Positional, arg(metavar="[SCAN]", help_behavior_hint="")]


FamilyName = Literal["bw-relu", "relu", "fourier", "siren", "gauss", "wire", "finer", "hash-grid"]

BeamName = Literal[
    "parallel", "fan-flat", "fan-curved", "parallel-3d", "cone-flat", "cone-curved", "helix"
]


@dataclass(frozen=True)
class ReadingOptions:
    """What a reader has to be told where a file does not say it."""

    slice: Annotated[int | None, Described] = None
    """Row of the detector, or number of the sample, counted from 0 (default: the middle one)."""
    pitch: Annotated[float | None, Described] = None
    """Size of a detector bin in mm (default: what the file says, else 1)."""
    center: Annotated[float | None, Described] = None
    """Bin on which the axis of rotation falls, counted from 0 (default: found from the data)."""
    angles: Annotated[Path | None, Described] = None
    """A text or npy file with the angle of every view in radians (default: what the file says)."""
    span_deg: Annotated[float | None, Described] = None
    """Equal angles over so many degrees, without the end point, in place of --angles."""
    values: Annotated[Literal["integrals", "transmissions", "counts"] | None, Described] = None
    """What an array without a format holds (default: line integrals)."""
    source_distance: Annotated[float | None, Described] = None
    """Of a fan: from the source to the axis of rotation, mm."""
    detector_distance: Annotated[float | None, Described] = None
    """Of a fan: from the axis of rotation to the detector, mm."""
    entry: Annotated[str | None, Described] = None
    """Entry of an NXtomo file that has several."""
    mode: Annotated[int | None, Described] = None
    """Of a folder of 2DeteCT: which of the three measurements (default: 2)."""
    part: Annotated[Literal["train", "val", "test"] | None, Described] = None
    """Which projections of a cone-beam benchmark (default: train)."""
    unit: Annotated[float | None, Described] = None
    """Of R²-Gaussian: millimetres that the scene's unit of length stands for (default: 1)."""


@dataclass(frozen=True)
class ScanOptions(ReadingOptions):
    """Which scan, and how it is read."""

    views: Annotated[int | None, Described] = None
    """Use so many views, evenly spread. Of a picture: simulate so many (60; in the paper: 100)."""
    coarsen: int = 1
    """Reconstruct on cells so many times larger."""
    protocol: Annotated[Literal["standard", "paper"] | None, Described] = None
    """How a picture is scanned: standard, or as in the paper: no noise, same operator."""
    photons: Annotated[float | None, Described] = None
    """Photons a bin counts without the object, in the scan of a picture (1e5; 0: no noise)."""
    seed: int = 0
    """Everything random follows from it."""
    smoke: bool = False
    """See that it works, within seconds: tiny sizes, few iterations; makes its own SCAN."""


@dataclass(frozen=True)
class MethodOptions:
    """How methods are run."""

    engine: str = "auto"
    """What computes the projections: auto, or one of those that `ctinr info` lists."""
    family: FamilyName = "bw-relu"
    """The network of the neural field."""
    time_budget: Annotated[float | None, Described] = None
    """End each method after about so many seconds, with what it has reached (default: never)."""
    ensemble: Annotated[int | None, Described] = None
    """With inr: tell how far each value may be off, by an ensemble of so many networks (say 8)."""
    level: Annotated[float | None, Described] = None
    """With --ensemble: the part of the cells in which the truth shall lie in the interval (0.9)."""
    memory_budget: Annotated[str | None, Described] = None
    """With inr, or --out VOLUME.h5: what it may take in memory, such as 500MB (slices: 2GB)."""
    checkpoint: Annotated[Path | None, Described] = None
    """With inr: a file for the state of the fit; after an end, the same command goes on from it."""


@dataclass(frozen=True)
class OutputOptions:
    """Where the result goes."""

    out: Annotated[Path | None, Described] = None
    """Folder for the result, which must not exist yet (default: named after its input)."""
    overwrite: bool = False
    """Replace an earlier result in that folder, once the new one is complete."""


@dataclass(frozen=True)
class StackOptions:
    """How all slices of a file become a volume, where --out names a file that ends in .h5."""

    slices: Annotated[str | None, Described] = None
    """With --out VOLUME.h5: those from A up to B, as A:B, :B or A: (default: all)."""
    window: Annotated[str | None, Described] = None
    """With --out VOLUME.h5, for fbp: the window of the ramp (default: chosen from the data)."""
    cutoff: Annotated[float | None, Described] = None
    """With --out VOLUME.h5, for fbp: the cut-off in (0, 1] (default: chosen from the data)."""
    weight: Annotated[float | None, Described] = None
    """With --out VOLUME.h5, for tv and inr: the weight (default: chosen from the data)."""
    prior: Annotated[Literal["tv", "nonlocal"] | None, Described] = None
    """With --out VOLUME.h5, for inr: what --weight is of (default: chosen from the data)."""
    samples: Annotated[int | None, Described] = None
    """With --out VOLUME.h5: choose on so many slices, spread over the stack (5)."""
    compression: Annotated[Literal["none", "gzip", "lzf"] | None, Described] = None
    """With --out VOLUME.h5: how the volume is packed (none)."""
    workers: Annotated[int | None, Described] = None
    """With --out VOLUME.h5: compute in so many processes (needs Dask)."""
    threads: Annotated[int | None, Described] = None
    """With --workers: threads of each of them (default: its share of the cores)."""
    scheduler: Annotated[str | None, Described] = None
    """With --out VOLUME.h5: compute on the workers of a Dask scheduler, such as tcp://host:8786."""
