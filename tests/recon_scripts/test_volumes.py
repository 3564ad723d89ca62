"""Scans of volumes through the commands: which methods take them, and what is shown."""

from __future__ import annotations

import json

import h5py
import pytest
import torch

from ctinr.data import write_scan
from ctinr.metrics import psnr
from recon_scripts import compare, reconstruct
from recon_scripts._methods import methods_named, suited
from recon_scripts._scans import phantom_scan
from recon_scripts._setups import Setup
from recon_scripts._terminal import guarded
from tests.data.scans import BEAMS


@pytest.fixture
def path(tmp_path):
    """Return a function that writes a tiny scan of a beam and gives its place."""

    def write(beam):
        name = "ball" if Setup(beam).is_volume else "disk"
        scan = phantom_scan(name, size=16, views=16, photons=1e4, setup=Setup(beam))
        write_scan(tmp_path / f"{beam}.h5", scan)
        return tmp_path / f"{beam}.h5"

    return write


@pytest.mark.parametrize(
    ("kind", "able"),
    [
        ("parallel", "fbp,tv,pnp,inr"),
        ("fan-curved", "fbp,tv,pnp,inr"),
        ("vectors", "tv"),
        ("parallel-3d", "fbp,tv"),
        ("cone-flat", "fdk,tv"),
        ("helix", "fdk,tv"),
        ("vectors-3d", "tv"),
    ],
)
def test_methods_are_those_that_take_the_geometry(kind, able):
    assert suited(None, BEAMS[kind]) == methods_named(able)
    given = methods_named("tv")
    assert suited(given, BEAMS[kind]) == given


@pytest.mark.parametrize("name", ["fbp", "inr"])
def test_a_method_that_does_not_take_a_cone_is_refused(path, tmp_path, capsys, name):
    scan, out = path("cone-flat"), tmp_path / "out"
    rule = "must suit a ConeBeam of shape (16, 23, 18), as do fdk, tv; got "
    assert guarded(compare.main, compare.Compare(scan=scan, methods=f"tv,{name}", out=out)) == 2
    assert f"`methods` {rule}{name!r}." in capsys.readouterr().err.replace('"', "")
    config = reconstruct.Reconstruct(scan=scan, method=name, out=out)
    assert guarded(reconstruct.main, config) == 2
    assert f"`method` {rule}{name!r}." in capsys.readouterr().err.replace('"', "")
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("beam", "method"), [("helix", "fdk"), ("parallel-3d", "fbp")])
def test_a_volume_is_reconstructed(path, tmp_path, beam, method):
    out = tmp_path / "out"
    config = reconstruct.Reconstruct(scan=path(beam), method=method, out=out)
    assert guarded(reconstruct.main, config) == 0
    with h5py.File(out / "result.h5") as file:
        image = torch.tensor(file[f"methods/{method}/image"][()])
        truth = torch.tensor(file["truth"][()])
        assert image.shape == truth.shape == (16, 16, 16)
        data_range = file.attrs["data_range"]
        told = file[f"methods/{method}"].attrs["psnr"]
    assert told == pytest.approx(psnr(image, truth, data_range=data_range), abs=1e-3)
    assert told > 18
    names = {file.name for file in (out / "figures").iterdir()}
    assert {"images.png", "errors.png", "profile.png", "geometry.png"} <= names


@pytest.mark.slow
def test_a_cone_is_compared(path, tmp_path, capsys):
    out = tmp_path / "out"
    assert guarded(compare.main, compare.Compare(scan=path("cone-flat"), out=out)) == 0
    told = json.loads((out / "metrics.json").read_text())
    assert list(told["methods"]) == ["fdk", "tv"]
    assert all(row["withheld_error"] > 0 for row in told["methods"].values())
    assert "ssim" not in told["methods"]["tv"]
    assert len(told["record"]["withheld_views"]) == 2
    page = (out / "report.html").read_text()
    assert "Cone beam with a flat detector" in page and "Images, slice z = 6.5 mm</h2>" in page
    shown = capsys.readouterr().out
    assert "FDK" in shown and "PSNR" in shown
