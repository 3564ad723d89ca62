"""Draw the waveform of a sound by a network: signal fitting in one dimension."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from recon_scripts._interrupts import undisturbed
from recon_scripts._signals import Fit, NetworkOptions, Task, family_of, show_fit
from recon_scripts._terminal import command

SMOKE_SECONDS = 0.05
PSNR_MEANING = "against the sound scaled to [-1, 1], data range 2"


@dataclass(frozen=True)
class FitAudio(NetworkOptions):
    """Draw the waveform of a sound by a network: signal fitting in one dimension.

    All channels are drawn by one network. Writes estimate.wav, network.pt, metrics.json and
    figure.png into a folder.
    """

    sound: Annotated[Path | None, Positional, arg(metavar="[SOUND]", help_behavior_hint="")] = None
    """A WAV file."""
    width: int = 256
    """Neurons of a hidden layer."""
    depth: int = 2
    """Number of hidden layers."""
    steps: int = 5000
    """Steps of the optimiser."""


def main(config: FitAudio) -> int:
    """Run the command and return its exit code."""
    from ctinr.geometry import Grid
    from ctinr.metrics import psnr
    from ctinr.operators import Identity, Observation
    from ctinr.report import output_folder, wording
    from recon_scripts._progress import Display
    from recon_scripts._scans import named_after
    from recon_scripts._sounds import load_sound, rate_of, scale_of, snr, suited, write_fit

    out = config.out or named_after(config.sound, "fit")
    with Display() as display, output_folder(out, overwrite=config.overwrite) as folder:
        sound = load_sound(config.sound, smoke=config.smoke, seconds=SMOKE_SECONDS)
        data, grid = sound.scaled(), Grid(sound.values.shape[-1:])
        num = grid.shape[0]
        family = suited(family_of(config, scale=scale_of(num), samples=num), num)
        if config.rate is None:
            config = replace(config, rate=rate_of(family))
        task = Task.of(Observation(Identity(grid), data), family, config, zero=0.0, unit=sound.peak)
        fit = Fit.of(task, display)
        with display.stage("Writing the result"), undisturbed():
            quality = psnr(fit.result.image, data, data_range=2.0)
            signal = snr(fit.result.image, data)
            fit.write(folder, psnr=quality, psnr_meaning=PSNR_MEANING, snr=signal)
            write_fit(folder, sound, fit)
    facts = {
        "Data": f"{' × '.join(map(str, data.shape))} samples, {sound.rate} a second",
        "PSNR": f"{wording.decibel(quality)}, {PSNR_MEANING}",
        "SNR": wording.decibel(signal),
    }
    return show_fit("A sound by a network", facts, fit, out)


if __name__ == "__main__":
    command(FitAudio, main)
