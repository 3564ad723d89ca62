"""The scan that a command works on: read from a file, simulated, or the tiny one of a smoke run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import phantoms
from ctinr import checks
from ctinr.data import Noise, Scan, read_scan, scan_from_image, simulated_scan
from ctinr.data.readers import reader_for
from ctinr.data.scan import evenly_spread
from ctinr.geometry import Grid
from ctinr.operators import BlockAverage
from ctinr.projectors import Projector
from recon_scripts._options import ScanOptions
from recon_scripts._reading import reading_options
from recon_scripts._setups import VOLUMES, Setup

if TYPE_CHECKING:
    from recon_scripts.simulate import Simulate

TITLES = {
    "shepp-logan": "Shepp–Logan",
    "shepp-logan-modified": "Shepp–Logan, modified",
    "forbild-head": "FORBILD head",
    "forbild-thorax": "FORBILD thorax",
    "shepp-logan-3d": "Shepp–Logan in three dimensions",
    "shepp-logan-3d-modified": "Shepp–Logan in three dimensions, modified",
}
HOME_GROUND = "The phantom is piecewise constant, which is the home ground of TV."
VIEWS, PAPER_VIEWS, PHOTONS, SIZE, VOLUME_SIZE = 60, 100, 1e5, 256, 64
SMOKE_SIZE, SMOKE_VIEWS, SMOKE_VOLUME_SIZE = 48, 20, 24
# Along each axis: rays in a bin, and samples in a cell of the truth.
VOLUME_SAMPLES, PLANE_SAMPLES = (2, 3), (4, 4)

# Options of `simulate` that say how a phantom is scanned, besides the beam.
SETUP = ("source_distance", "detector_distance", "rows", "helical_pitch")


def load_scan(path: Path | None, options: ScanOptions) -> Scan:
    """Return the scan that the options of a command ask for."""
    if path is None:
        checks.require(options.smoke, "scan", "be given", "nothing", "Name a scan or a picture.")
        return phantom_scan("forbild-thorax", size=SMOKE_SIZE, views=SMOKE_VIEWS, seed=options.seed)
    if options.views is not None:
        checks.count(options.views, "views")
    given = {**reading_options(options), "protocol": options.protocol}
    if "project" in reader_for(path, given).options:
        given |= _of_picture(options)
    elif options.photons is not None:
        remedy = "The photons of a measured scan are what they are."
        rule = "be left out unless a picture is scanned"
        raise ValueError(checks.message("photons", rule, options.photons, remedy))
    scan = read_scan(path, **given)
    # Of a picture so many were simulated.
    if options.views is not None and options.views != scan.num_views:
        scan = scan[evenly_spread(options.views, scan.num_views, argument="views")]
    if options.smoke and scan.num_views > SMOKE_VIEWS:
        scan = scan.with_views(SMOKE_VIEWS)
    return coarsened(scan, options.coarsen)


def named_after(path: Path | None, what: str) -> Path:
    """Return the name of a folder for a result, in the current one: "chest-comparison"."""
    return Path(f"{path.stem if path is not None else 'smoke'}-{what}")


def _of_picture(options: ScanOptions) -> dict[str, Any]:
    """Return what only the simulated scan of a picture takes."""
    paper = options.protocol == "paper"
    views = options.views or (PAPER_VIEWS if paper else VIEWS)
    checks.count(views, "views", least=2 if paper else 1)
    noise = noise_of(options.photons, options.seed, protocol=options.protocol)
    return {"project": Projector, "num_views": views, "noise": noise}


def noise_of(
    photons: float | None,
    seed: int,
    *,
    protocol: str | None = None,
    electronic: float | None = None,
) -> Noise | None:
    """Return the counter of so many photons, 1e5 if it is not said, and none if it is 0."""
    if protocol == "paper":
        rule, remedy = "be left out with --protocol paper", "Its data have no noise."
        for name, given in (("photons", photons), ("electronic", electronic)):
            checks.require(given is None, name, rule, given, remedy)
        return None
    if photons == 0:
        rule, remedy = "be left out with --photons 0", "Such data have no noise at all."
        checks.require(electronic is None, "electronic", rule, electronic, remedy)
        return None
    return Noise(PHOTONS if photons is None else photons, electronic or 0.0, seed=seed)


def coarsened(scan: Scan, factor: int) -> Scan:
    """Return the scan with a grid of cells so many times larger, and the truth averaged on it."""
    if checks.count(factor, "coarsen") == 1:
        return scan
    sides = "both sides of the image" if len(scan.grid.shape) == 2 else "all sides of the volume"
    rule = f"divide {sides}, {scan.grid.shape}"
    checks.require(all(side % factor == 0 for side in scan.grid.shape), "coarsen", rule, factor)
    truth = None if scan.truth is None else BlockAverage(scan.grid, factor)(scan.truth)
    return replace(scan, grid=scan.grid.coarsen(factor), truth=truth)


def phantom_scan(
    name: str,
    *,
    size: int,
    views: int,
    photons: float | None = None,
    seed: int = 0,
    setup: Setup | None = None,
) -> Scan:
    """Return a scan of a phantom by exact line integrals; 0 photons stand for no noise."""
    setup = setup or Setup()
    phantom = phantom_of(name, seed, setup)
    plan = Plan(setup, setup.grid(phantom.radius, size), views, noise_of(photons, seed))
    return planned_scan(name, phantom, plan)


@dataclass(frozen=True)
class Plan:
    """How a phantom is scanned: beam, grid, number of views, detector."""

    setup: Setup
    grid: Grid
    views: int
    noise: Noise | None


def phantom_of(name: str, seed: int, setup: Setup) -> Any:
    """Return the phantom of that name, of two or three dimensions as the beam."""
    return phantoms.volume_by_name(name) if setup.is_volume else phantoms.by_name(name, seed)


def planned_scan(name: str, phantom: Any, plan: Plan) -> Scan:
    """Return a scan of a phantom by exact line integrals."""
    checks.count(plan.views, "views")
    grid = plan.grid
    rays, cells = VOLUME_SAMPLES if plan.setup.is_volume else PLANE_SAMPLES
    raster = phantom.raster(grid.shape, grid.spacing, supersampling=cells)
    scan = simulated_scan(
        phantom.line_integrals,
        plan.setup.geometry(grid, views=plan.views),
        grid,
        truth=torch.as_tensor(raster),
        noise=plan.noise,
        bin_samples=rays,
    )
    metadata = {
        **scan.metadata,
        "title": TITLES.get(name, name.replace("-", " ").capitalize()),
        "source": f"simulated from exact line integrals of the phantom {name}",
        **({"remarks": (HOME_GROUND,)} if all(map(_is_even, phantom.terms)) else {}),
    }
    return replace(scan, metadata=metadata)


def _is_even(term: Any) -> bool:
    """Tell whether a term of a phantom has one value inside."""
    return isinstance(term, phantoms.Solid) or getattr(term, "power", None) == 0


def simulated(options: Simulate) -> Scan:
    """Return the scan that the options of `simulate` ask for."""
    given = {name: getattr(options, name) for name in SETUP if getattr(options, name) is not None}
    if options.object in (*phantoms.catalogue, *phantoms.volume_catalogue):
        remedy = "A phantom is scanned by exact line integrals."
        rule = "be left out unless a picture is scanned"
        checks.require(options.protocol is None, "protocol", rule, options.protocol, remedy)
        setup = Setup(options.beam, **given)
        check_dimensions(options.object, setup)
        sizes = (VOLUME_SIZE, SMOKE_VOLUME_SIZE) if setup.is_volume else (SIZE, SMOKE_SIZE)
        size, views = sizes[0] if options.size is None else options.size, options.views
        if options.smoke:
            size, views = sizes[1], SMOKE_VIEWS
        phantom = phantom_of(options.object, options.seed, setup)
        noise = noise_of(options.photons, options.seed, electronic=options.electronic)
        plan = Plan(setup, setup.grid(phantom.radius, size), views, noise)
        return planned_scan(options.object, phantom, plan)
    check_picture_options(options, given)
    views = SMOKE_VIEWS if options.smoke else options.views
    if not Path(options.object).exists():
        known = ", ".join((*phantoms.catalogue, *phantoms.volume_catalogue))
        rule = f"name a picture or one of the phantoms {known}"
        raise ValueError(checks.message("object", rule, repr(options.object)))
    protocol = options.protocol or "standard"
    noise = noise_of(
        options.photons, options.seed, protocol=protocol, electronic=options.electronic
    )
    checks.count(views, "views")
    return scan_from_image(
        options.object, Projector, num_views=views, protocol=protocol, noise=noise
    )


def check_picture_options(options: Simulate, given: dict[str, Any]) -> None:
    """Raise if something is said that the scan of a picture does not have."""
    given = given | ({} if options.beam == "parallel" else {"beam": options.beam})
    rule = "be left out unless a phantom is scanned"
    for name, value in given.items():
        remedy = "A picture is scanned by a parallel beam."
        raise ValueError(checks.message(name, rule, value, remedy))
    remedy = "A picture has its own size."
    checks.require(options.size is None, "size", rule, options.size, remedy)


def check_dimensions(name: str, setup: Setup) -> None:
    """Raise unless a phantom has as many axes as the beam scans."""
    known = phantoms.volume_catalogue if setup.is_volume else phantoms.catalogue
    rule = f"be one of {', '.join(known)} for --beam {setup.beam}"
    volumes = ", ".join(VOLUMES)
    remedy = "" if setup.is_volume else f"Volumes are scanned with --beam {volumes}."
    checks.require(name in known, "object", rule, repr(name), remedy)


def write_preview(path: Path, scan: Scan) -> None:
    """Write a picture of the sinogram or the middle view, and of the truth where it is known."""
    from ctinr.report.preview import scan_figure
    from ctinr.report.style import png

    path.write_bytes(png(scan_figure(scan)))
