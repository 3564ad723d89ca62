"""Figure 5 with a sound: a waveform drawn by every family, at equal width, depth and steps.

All seeds of a family are fitted as one ensemble. PSNR and SNR are those of the last iterate as it
is, against the sound scaled to [-1, 1], whose data range is 2.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ctinr import checks
from ctinr.data import Sound, read_sound
from ctinr.geometry import Grid
from ctinr.operators import Identity
from ctinr.recon.observers import Curve
from ctinr.report.style import LIGHT, METHOD_COLORS, blank, dress
from recon_scripts._sounds import rate_of, scale_of, snr, suited, synthetic_sound
from recon_scripts.paper._contest import Contest, add_contest, chosen, contenders, draw_curves
from recon_scripts.paper._publishing import Result, options_of, publish

STEPS, WIDTH, DEPTH = 5000, 256, 2
SECONDS, SMOKE_SECONDS = 1.0, 0.02
COLUMNS = 5


def sound_of(options: argparse.Namespace) -> Sound:
    """Return the sound of one channel that the options name, or the one that is made."""
    if options.sound is None or options.smoke:
        return synthetic_sound(seconds=SMOKE_SECONDS if options.smoke else SECONDS)
    sound = read_sound(options.sound)
    given, remedy = f"{len(sound.values)} of them", "Mix them first."
    checks.require(sound.values.ndim == 1, "sound", "have one channel", given, remedy)
    return sound


def drawing(truth: Tensor, images: Mapping[str, Tensor], curves: Mapping[str, Curve]) -> Figure:
    """Return the waveform, what each family leaves of it, and the PSNR over the steps below."""
    rows = -(-(len(images) + 1) // COLUMNS)
    figure = blank(LIGHT, width=13, height=2.0 * rows + 3.6)
    layout = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=(*[1] * rows, 1.9))
    left = {f"left by {name}": image - truth for name, image in images.items()}
    for place, (name, values) in enumerate({"sound": truth, **left}.items()):
        axes = dress(figure.add_subplot(layout[divmod(place, COLUMNS)]), LIGHT)
        color = LIGHT.ink if place == 0 else METHOD_COLORS["inr"]
        axes.plot(np.linspace(0, 1, len(values)), values, color=color, linewidth=0.4)
        axes.set(ylim=(-1.05, 1.05), xticks=[])
        axes.set_title(name, fontsize=8, color=LIGHT.ink)
    draw_curves(figure.add_subplot(layout[rows, :]), curves)
    return figure


def main() -> None:
    """Fit all families, draw, publish."""
    parser = options_of(__doc__ or "", seeds=1)
    parser.add_argument("--sound", type=Path, help="a WAV file (default: chirps and tones)")
    add_contest(parser, STEPS)
    options = parser.parse_args()
    steps, seeds = (5, 2) if options.smoke else (options.steps, options.seeds)
    width = 8 if options.smoke else WIDTH
    truth = sound_of(options).scaled()
    num = len(truth)
    contest = Contest(Identity(Grid((num,))), truth, 2.0, seeds, steps)
    every = contenders(width, DEPTH, num, scale=scale_of(num))
    used = chosen({name: suited(each, num) for name, each in every.items()}, options.only)
    outcome = contest.held(used, rate_of)
    rows = contest.rows(outcome)
    for row in rows:
        images = outcome.results[row["family"]].image
        ratio = statistics.mean(snr(image, truth) for image in images)
        row |= {"rate": rate_of(used[row["family"]]), "SNR": ratio}
    figure = drawing(truth, outcome.images, outcome.curves)
    record = {"steps": steps, **outcome.record}
    publish(Result("figure5_audio", figure, rows, record), options.out)


if __name__ == "__main__":
    main()
