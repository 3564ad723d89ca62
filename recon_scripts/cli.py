"""The console command `ctinr`: the union of all commands."""

from __future__ import annotations

import sys
from typing import Annotated

from tyro.conf import subcommand

from recon_scripts import (
    check,
    compare,
    convert,
    demo,
    doctor,
    fit_audio,
    fit_image,
    info,
    reconstruct,
    simulate,
    upscale,
)
from recon_scripts._terminal import leave, parsed, say

Command = (
    Annotated[compare.Compare, subcommand("compare")]
    | Annotated[reconstruct.Reconstruct, subcommand("reconstruct")]
    | Annotated[simulate.Simulate, subcommand("simulate")]
    | Annotated[convert.Convert, subcommand("convert")]
    | Annotated[info.Info, subcommand("info")]
    | Annotated[doctor.Doctor, subcommand("doctor")]
    | Annotated[check.Check, subcommand("check")]
    | Annotated[demo.Demo, subcommand("demo")]
    | Annotated[fit_image.FitImage, subcommand("fit-image")]
    | Annotated[fit_audio.FitAudio, subcommand("fit-audio")]
    | Annotated[upscale.Upscale, subcommand("upscale")]
)
MAINS = {
    compare.Compare: compare.main,
    reconstruct.Reconstruct: reconstruct.main,
    simulate.Simulate: simulate.main,
    convert.Convert: convert.main,
    info.Info: info.main,
    doctor.Doctor: doctor.main,
    check.Check: check.main,
    demo.Demo: demo.main,
    fit_image.FitImage: fit_image.main,
    fit_audio.FitAudio: fit_audio.main,
    upscale.Upscale: upscale.main,
}
DESCRIPTION = "Tomographic reconstruction with coordinate networks, side by side with FBP and TV."


def main() -> None:
    """Run the command that the command line names, and leave with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from ctinr.report.record import versions

        return say(f"ctinr {versions().get('ctinr', 'not installed')}")
    leave(chosen)


def chosen() -> int | None:
    """Run the command that the command line names and return its exit code."""
    config = parsed(Command, name="ctinr", description=DESCRIPTION)
    return MAINS[type(config)](config)


if __name__ == "__main__":
    main()
