"""What commands say, and the code that they end with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ctinr.checks import BackendUnavailable
from recon_scripts import _terminal, cli
from recon_scripts._interrupts import Interrupt, interruptible, undisturbed
from recon_scripts._terminal import guarded

ROOT = Path(__file__).parents[2]
COMMANDS = ("compare", "reconstruct", "simulate", "info", "doctor", "check", "demo")


def called(monkeypatch, *arguments):
    """Return the exit code of the console command with these arguments."""
    monkeypatch.setattr(sys, "argv", ["ctinr", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, monkeypatch, capsys):
    assert called(monkeypatch, name, "--help") in (0, None)
    shown = capsys.readouterr().out
    for option in ("--smoke", "--out", "--overwrite"):
        assert option in shown
    assert "None" not in shown


def test_the_union_names_them_all(monkeypatch, capsys):
    assert called(monkeypatch, "--help") in (0, None)
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_help_is_quick():
    """It needs neither torch nor matplotlib, from the beginning to the end of the process."""
    code = (
        "import atexit, sys; from recon_scripts import cli; "
        "atexit.register(lambda: print(*({'torch', 'matplotlib', 'numba'} & set(sys.modules)))); "
        "sys.argv = ['ctinr', '--help']; cli.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("`views` must be at least 3; got 1."),
        TypeError("`angles` must be given; got none."),
        FileNotFoundError("`path` must name a file; got 'x'."),
        BackendUnavailable("backend 'astra' cannot run: It is not installed."),
    ],
)
def test_what_the_user_got_wrong_is_one_message(error, capsys):
    def main():
        raise error

    assert guarded(main) == 2
    shown = capsys.readouterr().err
    assert shown == f"Error: {error}\n"
    assert "Traceback" not in shown


def test_a_message_is_not_markup(capsys):
    def main():
        raise ValueError("`path` must name a file; got '[red]a[/b].h5'.")

    assert guarded(main) == 2
    assert "[red]a[/b].h5" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("a defect"), KeyError("a"), ZeroDivisionError()])
def test_a_defect_shows_its_trace(error):
    def main():
        raise error

    with pytest.raises(type(error)):
        guarded(main)


def test_a_trace_can_be_asked_for(monkeypatch):
    def main():
        raise ValueError("`views` must be at least 3; got 1.")

    monkeypatch.setitem(os.environ, _terminal.TRACEBACK, "1")
    with pytest.raises(ValueError, match="views"):
        guarded(main)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("compare",), "`scan` must be given; got nothing. Name a scan or a picture."),
        (
            ("compare", "--smoke", "--methods", "fbp,foo"),
            "`methods` must list some of fbp, fdk, tv, pnp, inr",
        ),
        (("compare", "--smoke", "--engine", "foo"), "`engine` must be one of 'auto', 'numba'"),
        (
            ("reconstruct", "--smoke", "--method", "foo"),
            "`method` must be one of 'fbp', 'fdk', 'tv'",
        ),
        (("compare", "missing.h5"), "`path` must name a file that exists; got 'missing.h5'."),
        (("info", "missing.png"), "`path` must name a file that exists; got 'missing.png'."),
        (
            ("simulate", "nothing"),
            "`object` must name a picture or one of the phantoms shepp-logan",
        ),
    ],
)
def test_errors_of_the_command_line(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert called(monkeypatch, *arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_an_impatient_second_interrupt_does_not_spoil_the_first():
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            pytest.fail("the second one was heard")
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_was_not_heard_can_be_repeated():
    handler = Interrupt(patience=0.05)
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)
    handler(signal.SIGINT, None)
    time.sleep(0.06)
    with pytest.raises(KeyboardInterrupt):
        handler(signal.SIGINT, None)


def test_an_interrupt_while_the_command_line_is_read_is_no_trace(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parsed", interrupted)
    assert called(monkeypatch, "info") == 130
    assert "Interrupted before there was anything to keep." in capsys.readouterr().err


def test_a_fit_that_diverges_is_one_message(capsys):
    def main():
        raise FloatingPointError("`loss` must stay finite; got nan at iteration 3.")

    assert guarded(main) == 2
    assert capsys.readouterr().err.startswith("Error: `loss` must stay finite")


def test_writing_is_not_disturbed_by_a_second_interrupt():
    before = signal.getsignal(signal.SIGINT)
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(RuntimeError), undisturbed():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_the_version_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ctinr", "--version"])
    cli.main()
    assert capsys.readouterr().out.startswith("ctinr ")
