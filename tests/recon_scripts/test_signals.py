"""Commands that fit a picture or a sound: what they write, what they say, what they refuse."""

from __future__ import annotations

import json
import math
import signal
import sys
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from matplotlib.figure import Figure
from scipy.io import wavfile

from ctinr.data import Sound, read_picture
from ctinr.data.sounds import write_sound
from ctinr.geometry import Grid
from ctinr.networks import families
from ctinr.operators import BlockAverage
from ctinr.recon.rendering import render_grid
from recon_scripts import cli, fit_audio, fit_image, upscale
from recon_scripts._pictures import bicubic
from recon_scripts._signals import NetworkOptions, family_of
from recon_scripts._sounds import snr, synthetic_sound
from recon_scripts._terminal import guarded

SMALL = {"width": 12, "depth": 1, "steps": 12}
COLOUR = np.random.default_rng(0).integers(20, 250, (6, 8, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def quick_figures(monkeypatch):
    """Leave the drawing to its own tests."""
    for name in ("picture_figure", "sound_figure"):
        monkeypatch.setattr(f"ctinr.report.signals.{name}", lambda *_, **__: Figure())


@pytest.fixture
def picture(tmp_path):
    PIL.Image.fromarray(COLOUR).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def sound(tmp_path):
    values = np.stack([np.sin(np.arange(60.0)), 0.2 * np.cos(np.arange(60.0))])
    write_sound(tmp_path / "sound.wav", values, 8000)
    return tmp_path / "sound.wav"


def metrics_in(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def redrawn(folder):
    """Draw the file's network anew, in the scale of what it was fitted to."""
    saved = torch.load(folder / "network.pt", weights_only=True)
    network = families[saved["family"]](**saved["hyperparameters"]).build(
        saved["axes"], saved["channels"]
    )
    network.load_state_dict(saved["state"])
    return render_grid(network, Grid.from_dict(saved["grid"])) * saved["unit"] + saved["zero"]


def test_a_colour_picture_is_fitted_and_written(picture, tmp_path, capsys):
    config = fit_image.FitImage(picture=picture, out=tmp_path / "out", **SMALL)
    assert guarded(fit_image.main, config) == 0
    names = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert names == {"estimate.npy", "estimate.png", "figure.png", "metrics.json", "network.pt"}
    estimate = np.load(tmp_path / "out" / "estimate.npy")
    assert estimate.shape == (6, 8, 3) and estimate.dtype == np.float32
    with PIL.Image.open(tmp_path / "out" / "estimate.png") as image:
        shown = np.asarray(image)
    np.testing.assert_array_equal(shown, np.round(estimate.clip(0, 255)))
    again = redrawn(tmp_path / "out").permute(1, 2, 0).numpy()
    np.testing.assert_allclose(again, estimate, rtol=1e-6, atol=1e-4)
    numbers, said = metrics_in(tmp_path / "out"), capsys.readouterr().out
    # 20 to 249 are the least and largest values of the picture, which the PSNR is scaled to.
    error = np.square((estimate - COLOUR.astype(float)) / np.ptp(COLOUR)).mean()
    assert numbers["psnr"] == pytest.approx(-10 * math.log10(error), rel=1e-4)
    assert f"{numbers['psnr']:.2f} dB, against the data scaled to [0, 1]" in said
    assert numbers["variation_norm"] > 0 and numbers["rate"] == 3e-3
    assert (numbers["iterations"], numbers["stopped_by"]) == (12, "iterations")
    assert numbers["family"].startswith("BWReLU(width=12, depth=1, scale=9.0")
    assert numbers["record"]["versions"]["torch"] == torch.__version__


def test_more_steps_come_closer(picture, tmp_path):
    for steps in (3, 60):
        config = fit_image.FitImage(
            picture=picture, out=tmp_path / f"{steps}", width=32, depth=2, steps=steps
        )
        assert fit_image.main(config) == 0
    assert metrics_in(tmp_path / "60")["psnr"] > metrics_in(tmp_path / "3")["psnr"] + 6


@pytest.mark.slow
@pytest.mark.parametrize("values", [COLOUR, COLOUR[..., 0]], ids=["colour", "grey"])
def test_the_block_means_of_the_finer_picture_are_the_data(values, tmp_path):
    PIL.Image.fromarray(values).save(tmp_path / "a.png")
    config = upscale.Upscale(
        picture=tmp_path / "a.png", out=tmp_path / "out", factor=2, width=48, steps=150
    )
    assert guarded(upscale.main, config) == 0
    estimate = np.load(tmp_path / "out" / "estimate.npy")
    assert estimate.shape == (12, 16, *values.shape[2:])
    means = estimate.reshape(6, 2, 8, 2, -1).mean(axis=(1, 3)).reshape(values.shape)
    assert np.abs(means - values).max() < 3 < np.abs(estimate[::2, ::2] - values).max()
    scaled = read_picture(tmp_path / "a.png")
    left = (means - values.astype(float)) / (scaled.high - scaled.low)
    relative = np.linalg.norm(left) / float(scaled.scaled().norm())
    numbers = metrics_in(tmp_path / "out")
    assert numbers["misfit"] == pytest.approx(relative, rel=1e-3) and numbers["factor"] == 2
    assert "psnr" not in numbers
    with PIL.Image.open(tmp_path / "out" / "estimate.png") as image:
        assert image.size == (16, 12)


def test_all_channels_of_a_sound_are_drawn_by_one_network(sound, tmp_path, capsys):
    config = fit_audio.FitAudio(sound=sound, out=tmp_path / "out", **SMALL)
    assert guarded(fit_audio.main, config) == 0
    rate, estimate = wavfile.read(tmp_path / "out" / "estimate.wav")
    data = wavfile.read(sound)[1].astype(float)
    assert rate == 8000 and estimate.shape == (60, 2)
    np.testing.assert_allclose(redrawn(tmp_path / "out").T.numpy(), estimate, rtol=1e-6, atol=1e-6)
    numbers = metrics_in(tmp_path / "out")
    assert numbers["rate"] == 5e-3 and "scale=1.0" in numbers["family"]
    energy, left = np.square(data).sum(), np.square(estimate - data).sum()
    assert numbers["snr"] == pytest.approx(10 * math.log10(energy / left), rel=1e-4)
    peak = np.abs(data).max()
    quality = 10 * math.log10(4 * peak**2 / np.square(estimate - data).mean())
    assert numbers["psnr"] == pytest.approx(quality, rel=1e-4)
    assert "data range 2" in capsys.readouterr().out


def test_a_fit_that_diverges_is_written_with_a_note(picture, tmp_path, capsys):
    config = fit_image.FitImage(picture=picture, out=tmp_path / "out", rate=1e30, **SMALL)
    assert guarded(fit_image.main, config) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Note: The loss became " in said and "at iteration 2; the last good one is kept" in said
    assert np.isfinite(np.load(tmp_path / "out" / "estimate.npy")).all()
    assert metrics_in(tmp_path / "out")["stopped_by"].startswith("loss became ")


def test_a_time_budget_and_an_interrupt_keep_what_was_reached(picture, tmp_path, capsys):
    config = fit_image.FitImage(picture=picture, width=12, depth=1, steps=10**6)
    assert fit_image.main(replace(config, out=tmp_path / "one", time_budget=0.2)) == 0
    assert metrics_in(tmp_path / "one")["stopped_by"] == "time budget"
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        assert fit_image.main(replace(config, out=tmp_path / "other")) == 130
    finally:
        signal.signal(signal.SIGALRM, before)
    assert metrics_in(tmp_path / "other")["stopped_by"] == "interrupted"
    said = capsys.readouterr().out
    assert "The time is over" in said and "Interrupted; it is kept as far as it got." in said


@pytest.mark.parametrize("name", families)
def test_every_family_has_the_sizes_that_were_asked_for(name):
    family = family_of(NetworkOptions(family=name, width=20, depth=4), scale=7.0, samples=99)
    assert isinstance(family, families[name]) and (family.width, family.depth) == (20, 4)
    assert getattr(family, "samples", 99) == 99
    assert name != "bw-relu" or family.scale == 7.0


BAD = [
    ({"steps": 0}, "`steps` must be at least 1; got 0"),
    ({"width": 0}, "`width` must be at least 1; got 0"),
    ({"depth": 0}, "`depth` must be at least 1; got 0"),
    ({"scale": 0.0}, "`scale` must be above zero; got 0.0"),
    ({"scale": -2.0}, "`scale` must be above zero; got -2.0"),
    ({"scale": math.nan}, "`scale` must be finite; got nan"),
    ({"scale": 2.0, "family": "siren"}, "`scale` must be left out unless the family is bw-relu"),
    ({"rate": 0.0}, "`rate` must be above zero; got 0.0"),
    ({"seed": -1}, "`seed` must be at least 0; got -1"),
    ({"time_budget": 0.0}, "`time_budget` must be above zero; got 0.0"),
]


@pytest.mark.parametrize("given, rule", BAD, ids=[rule.split(";")[0] for _, rule in BAD])
def test_options_that_make_no_sense_are_named(given, rule, picture, tmp_path, capsys):
    config = fit_image.FitImage(picture=picture, out=tmp_path / "out", **given)
    assert guarded(fit_image.main, config) == 2
    assert f"Error: {rule}" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture.png"]


@pytest.mark.parametrize("factor", [1, 0, -4, 2.5])
def test_factors_that_make_no_sense_are_named(factor, picture, tmp_path, capsys):
    config = upscale.Upscale(picture=picture, factor=factor, out=tmp_path / "out")
    assert guarded(upscale.main, config) == 2
    rule = "be a whole number" if factor == 2.5 else "be at least 2"
    assert f"Error: `factor` must {rule}; got {factor}." in capsys.readouterr().err


def test_a_fraction_of_a_factor_is_no_argument(picture, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ctinr", "upscale", str(picture), "--factor", "2.5"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "--factor" in capsys.readouterr().err


@pytest.mark.parametrize(
    "main, config, rule",
    [
        (fit_image.main, fit_image.FitImage(), "`picture` must be given; got nothing"),
        (upscale.main, upscale.Upscale(), "`picture` must be given; got nothing"),
        (fit_audio.main, fit_audio.FitAudio(), "`sound` must be given; got nothing"),
    ],
)
def test_something_must_be_fitted(main, config, rule, tmp_path, capsys):
    assert guarded(main, replace(config, out=tmp_path / "out")) == 2
    assert f"Error: {rule}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.png", "a.docx", "a.npy", "a.h5"])
def test_a_file_that_is_none_is_named(name, tmp_path, capsys):
    config = fit_image.FitImage(picture=tmp_path / name, out=tmp_path / "out")
    assert guarded(fit_image.main, config) == 2
    assert "Error: `path` must " in (told := capsys.readouterr().err) and name in told


def test_an_earlier_result_is_replaced_only_if_asked_for(sound, tmp_path, capsys):
    config = fit_audio.FitAudio(sound=sound, out=tmp_path / "out", **SMALL)
    assert guarded(fit_audio.main, config) == 0
    assert guarded(fit_audio.main, config) == 2
    assert "Error: `out` must be a new folder" in capsys.readouterr().err
    assert guarded(fit_audio.main, replace(config, seed=1, overwrite=True)) == 0
    assert metrics_in(tmp_path / "out")["record"]["seed"] == 1


# ------------------------------------------------------------------ what they are measured by


@pytest.mark.parametrize("channels", [(), (3,)])
def test_bicubic_pictures_keep_planes_and_lie_where_the_blocks_do(channels):
    y, x = np.mgrid[:9.0, :12.0]
    coarse = np.broadcast_to(3 * y - 2 * x + 1, (*channels, 9, 12))
    fine = bicubic(coarse, 4)
    assert fine.shape == (*channels, 36, 48)
    y, x = (np.mgrid[:36, :48] + 0.5) / 4 - 0.5
    plane = np.broadcast_to(3 * y - 2 * x + 1, fine.shape)
    np.testing.assert_allclose(fine[..., 8:-8, 8:-8], plane[..., 8:-8, 8:-8], atol=1e-4)
    means = BlockAverage(Grid((36, 48)), 4)(torch.tensor(fine)).numpy()
    np.testing.assert_allclose(means[..., 2:-2, 2:-2], coarse[..., 2:-2, 2:-2], atol=1e-4)


def test_the_signal_to_noise_ratio_is_that_of_energies():
    data = torch.tensor([3.0, -4.0])
    assert snr(data + torch.tensor([0.0, 0.5]), data) == pytest.approx(20.0)
    assert snr(data, data) == math.inf


def test_the_synthetic_sound_follows_from_its_seed():
    one, same, other = (synthetic_sound(seconds=0.1, seed=seed) for seed in (1, 1, 2))
    assert isinstance(one, Sound) and one.values.shape == (800,) and one.peak == pytest.approx(0.9)
    np.testing.assert_array_equal(one.values, same.values)
    assert not np.array_equal(one.values, other.values)
    power = np.abs(np.fft.rfft(one.values)) ** 2
    assert power[: len(power) // 2].sum() > 0.99 * power.sum()
