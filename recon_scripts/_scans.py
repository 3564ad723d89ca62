"""The scan that a command works on: read from a file, simulated, or the tiny one of a smoke run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import phantoms
from ctinr import checks
from ctinr.data import Noise, Scan, read_scan, reader_of, scan_from_image, simulated_scan
from ctinr.geometry import Grid
from ctinr.operators import BlockAverage
from ctinr.projectors import Projector
from recon_scripts._options import ScanOptions
from recon_scripts._setups import MARGIN, Setup

if TYPE_CHECKING:
    from recon_scripts.simulate import Simulate

TITLES = {
    "shepp-logan": "Shepp–Logan",
    "shepp-logan-modified": "Shepp–Logan, modified",
    "forbild-head": "FORBILD head",
    "forbild-thorax": "FORBILD thorax",
}
HOME_GROUND = "The phantom is piecewise constant, which is the home ground of TV."
VIEWS, PAPER_VIEWS, PHOTONS, SIZE = 60, 100, 1e5, 256
SMOKE_SIZE, SMOKE_VIEWS = 48, 20


def load_scan(path: Path | None, options: ScanOptions) -> Scan:
    """Return the scan that the options of a command ask for."""
    if path is None:
        checks.require(options.smoke, "scan", "be given", "nothing", "Name a scan or a picture.")
        return phantom_scan("forbild-thorax", size=SMOKE_SIZE, views=SMOKE_VIEWS, seed=options.seed)
    if options.views is not None:
        checks.count(options.views, "views")
    given: dict[str, Any] = {
        "slice": options.slice,
        "pitch": options.pitch,
        "center": options.center,
        "protocol": options.protocol,
    }
    if "project" in reader_of(path).options:
        given |= _of_picture(options)
    elif options.photons is not None:
        remedy = "The photons of a measured scan are what they are."
        rule = "be left out unless a picture is scanned"
        raise ValueError(checks.message("photons", rule, options.photons, remedy))
    scan = selected(read_scan(path, **given), options.views)
    if options.smoke and scan.num_views > SMOKE_VIEWS:
        scan = scan.with_views(SMOKE_VIEWS)
    return coarsened(scan, options.coarsen)


def selected(scan: Scan, views: int | None) -> Scan:
    """Return the scan with so many of its views, or with all."""
    if views is None or views == scan.num_views:
        return scan
    rule = f"be at most {scan.num_views}, the number of views of the scan"
    checks.require(views <= scan.num_views, "views", rule, views)
    return scan.with_views(views)


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


def noise_of(photons: float | None, seed: int, *, protocol: str | None = None) -> Noise | None:
    """Return the counter of so many photons, 1e5 if it is not said, and none if it is 0."""
    if protocol == "paper":
        rule, remedy = "be left out with --protocol paper", "Its data have no noise."
        checks.require(photons is None, "photons", rule, photons, remedy)
        return None
    return None if photons == 0 else Noise(PHOTONS if photons is None else photons, seed=seed)


def coarsened(scan: Scan, factor: int) -> Scan:
    """Return the scan with a grid of cells so many times larger, and the truth averaged on it."""
    if checks.count(factor, "coarsen") == 1:
        return scan
    rule = f"divide both sides of the image, {scan.grid.shape}"
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
    checks.count(views, "views")
    phantom = phantoms.by_name(name, seed)
    spacing = 2 * phantom.radius * MARGIN / checks.count(size, "size", least=16)
    grid = Grid((size, size), spacing)
    scan = simulated_scan(
        phantom.line_integrals,
        (setup or Setup()).geometry(grid, views=views),
        grid,
        truth=torch.as_tensor(phantom.raster((size, size), spacing)),
        noise=noise_of(photons, seed),
    )
    flat = all(isinstance(term, phantoms.Solid) for term in phantom.terms)
    metadata = {
        **scan.metadata,
        "title": TITLES.get(name, name.replace("-", " ").capitalize()),
        "source": f"simulated from exact line integrals of the phantom {name}",
        **({"remarks": (HOME_GROUND,)} if flat else {}),
    }
    return replace(scan, metadata=metadata)


def simulated(options: Simulate) -> Scan:
    """Return the scan that the options of `simulate` ask for."""
    size = SIZE if options.size is None else options.size
    size, views = (SMOKE_SIZE, SMOKE_VIEWS) if options.smoke else (size, options.views)
    if options.object in phantoms.catalogue:
        remedy = "A phantom is scanned by exact line integrals."
        rule = "be left out unless a picture is scanned"
        checks.require(options.protocol is None, "protocol", rule, options.protocol, remedy)
        return phantom_scan(
            options.object,
            size=size,
            views=views,
            photons=options.photons,
            seed=options.seed,
            setup=Setup(options.beam, options.source_distance, options.detector_distance),
        )
    for name in ("beam", "source_distance", "detector_distance"):
        remedy = "A picture is scanned by a parallel beam."
        rule, given = "be left out unless a phantom is scanned", getattr(options, name)
        checks.require(given in (None, "parallel"), name, rule, given, remedy)
    if not Path(options.object).exists():
        rule = f"name a picture or one of the phantoms {', '.join(phantoms.catalogue)}"
        raise ValueError(checks.message("object", rule, repr(options.object)))
    remedy = "A picture has its own size."
    rule = "be left out unless a phantom is scanned"
    checks.require(options.size is None, "size", rule, options.size, remedy)
    protocol = options.protocol or "standard"
    noise = noise_of(options.photons, options.seed, protocol=protocol)
    checks.count(views, "views")
    return scan_from_image(
        options.object, Projector, num_views=views, protocol=protocol, noise=noise
    )


def write_preview(path: Path, scan: Scan) -> None:
    """Write a picture of the sinogram and, where it is known, of the truth."""
    from ctinr.report.figures import scan_figure
    from ctinr.report.style import png

    path.write_bytes(png(scan_figure(scan)))
