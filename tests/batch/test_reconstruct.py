"""A stack becomes a volume, and goes on where it was with the same bits."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from ctinr.batch import Job, Method, open_stack, read_volume, reconstruct_stack
from ctinr.batch import solvers as solvers_module
from ctinr.batch.blocks import BlockTask
from ctinr.batch.journal import Journal
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from ctinr.recon.neural_field.field import DEFAULT_FAMILY
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.tv import tv
from tests.batch.stacks import cells, objects, spoil, write
from tests.limits import little_room

FBP = Job(Method("fbp", window="hann"))
TV = Job(Method("tv", weight=0.002))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("stack") / "a.h5", 20)


@pytest.fixture
def stack(path):
    return open_stack(path)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "v.h5"


def sinograms(stack):
    return torch.stack(list(stack.read(0, len(stack))))


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def interrupted_after(blocks, monkeypatch):
    """Let the computation be interrupted when so many blocks have been computed."""
    solve, left = BlockTask.solve, [blocks]

    def counted(self, *arguments):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return solve(self, *arguments)

    monkeypatch.setattr(BlockTask, "solve", counted)


def test_fbp_of_all_slices_is_that_of_each(stack, out):
    told = []
    summary = reconstruct_stack(stack, out, FBP, report=lambda *done: told.append(done))
    A = Projector(stack.geometry, stack.grid.slice)
    volume = read_volume(out)
    assert torch.allclose(volume[:], fbp(A, sinograms(stack), window="hann").image, atol=1e-7)
    assert volume.grid == stack.grid and volume.slices == tuple(range(20))
    assert (summary.slices, summary.earlier, summary.done, summary.failed) == (20, 0, 20, {})
    assert told == [(0, 20), (8, 20), (16, 20), (20, 20)]
    assert names(out.parent) == ["v.h5"]
    assert float((volume[:] - objects(20)).square().mean().sqrt()) < 0.004


@pytest.mark.slow
def test_tv_of_all_slices_is_that_of_each_block(stack, out):
    summary = reconstruct_stack(stack, out, TV)
    A, y = Projector(stack.geometry, stack.grid.slice), sinograms(stack)
    parts = [tv(A, part, weight=0.002, iterations=150).image for part in y.split(8)]
    assert torch.allclose(read_volume(out)[:], torch.cat(parts), atol=1e-7)
    assert summary.numbers["weight"] == 0.002


@pytest.mark.parametrize(("first", "last"), [(0, 1), (5, 18), (19, None)])
def test_some_slices_lie_where_they_lay(stack, out, first, last):
    reconstruct_stack(stack, out, replace(FBP, slices=(first, last)))
    volume, chosen = read_volume(out), range(20)[first:last]
    assert volume.slices == tuple(chosen)
    assert volume.grid == stack.grid[first:last]
    A = Projector(stack.geometry, stack.grid.slice)
    images = fbp(A, sinograms(stack)[first:last], window="hann").image
    assert torch.allclose(volume[:], images, atol=1e-7)


@pytest.mark.parametrize("slices", [(-1, 4), (3, 3), (0, 21), (20, None)])
def test_slices_that_are_not_there(stack, out, slices):
    with pytest.raises(ValueError, match="`slices` must be some of the 20 slices"):
        reconstruct_stack(stack, out, replace(FBP, slices=slices))
    assert names(out.parent) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "blocks"),
    [(FBP, 0), (FBP, 1), (FBP, 2), (TV, 1)],
    ids=["fbp-0", "fbp-1", "fbp-2", "tv-1"],
)
def test_after_an_interrupt_it_goes_on_to_the_same_bits(stack, out, monkeypatch, job, blocks):
    with monkeypatch.context() as patch:
        interrupted_after(blocks, patch)
        summary = reconstruct_stack(stack, out, job)
    assert summary.interrupted and summary.done == 8 * blocks
    assert names(out.parent) == ["v.h5.partial"]
    again = reconstruct_stack(stack, out, job)
    assert (again.earlier, again.done, again.interrupted) == (8 * blocks, 20, False)
    reconstruct_stack(stack, out.with_name("w.h5"), job)
    assert cells(out).tobytes() == cells(out.with_name("w.h5")).tobytes()
    assert names(out.parent) == ["v.h5", "w.h5"]


@pytest.mark.slow
def test_an_interrupt_within_a_method_is_no_result(stack, out, monkeypatch):
    run = solvers_module.run

    def cut_short(steps, iterations, observers, **named):
        return replace(run(steps, 3, observers, **named), stopped_by="interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(solvers_module, "run", cut_short)
        assert reconstruct_stack(stack, out, TV).done == 0
    assert reconstruct_stack(stack, out, TV).done == 20


@pytest.mark.slow
@pytest.mark.parametrize("job", [FBP, TV], ids=["fbp", "tv"])
def test_bits_do_not_follow_from_the_number_of_threads(stack, out, job):
    from ctinr.projectors.backends.numba_threads import use_threads

    before = torch.get_num_threads()
    try:
        for threads, name in ((1, "one.h5"), (2, "two.h5")):
            use_threads(threads)
            reconstruct_stack(stack, out.with_name(name), replace(job, slices=(0, 10)))
    finally:
        use_threads(before)
    one, two = (cells(out.with_name(name)) for name in ("one.h5", "two.h5"))
    assert one.tobytes() == two.tobytes()


def test_a_slice_that_fails_is_nan_and_takes_no_other_with_it(tmp_path, out):
    path = write(tmp_path / "a.h5", 20)
    good = tmp_path / "good.h5"
    reconstruct_stack(open_stack(path), good, FBP)
    for row in (3, 8, 9, 10, 11, 12, 13, 14, 15):
        spoil(path, row)
    summary = reconstruct_stack(open_stack(path), out, FBP)
    assert list(summary.failed) == [3, *range(8, 16)]
    assert all("must be finite everywhere" in reason for reason in summary.failed.values())
    volume = cells(out)
    broken = np.isnan(volume).all(axis=(1, 2))
    assert np.flatnonzero(broken).tolist() == list(summary.failed)
    assert np.allclose(volume[~broken], cells(good)[~broken], atol=1e-7)
    assert read_volume(out).failed == summary.failed


def test_a_slice_that_a_method_fails_on_is_tried_alone(stack, out, monkeypatch):
    spoiled = next(stack.read(5, 6))

    def picky(A, y, **filters):
        if any(torch.equal(each, spoiled) for each in y):
            raise FloatingPointError("The loss became nan.")
        return fbp(A, y, **filters)

    monkeypatch.setattr(solvers_module, "fbp", picky)
    summary = reconstruct_stack(stack, out, FBP)
    assert summary.failed == {5: "The loss became nan."}
    assert np.flatnonzero(np.isnan(cells(out)).any(axis=(1, 2))).tolist() == [5]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fbp", "tv"])
def test_numbers_are_chosen_once_on_slices_spread_over_the_stack(stack, out, method, monkeypatch):
    job = Job(Method(method, samples=2))
    with monkeypatch.context() as patch:
        interrupted_after(1, patch)
        first = reconstruct_stack(stack, out, job)
    with monkeypatch.context() as patch:
        # Choosing again would need it.
        patch.setattr("ctinr.batch.reconstruct.decided", None)
        second = reconstruct_stack(stack, out, job)
    assert first.numbers == second.numbers and second.done == 20
    metadata = read_volume(out).metadata
    assert '"slices": [5, 15]' in metadata["choice"]
    assert str(second.numbers["window" if method == "fbp" else "weight"]) in metadata["parameters"]


def test_samples_that_cannot_be_read_are_replaced(tmp_path, out):
    path = write(tmp_path / "a.h5", 6)
    spoil(path, 3)
    reconstruct_stack(open_stack(path), out, Job(Method("fbp", samples=1)))
    assert '"slices": [4]' in read_volume(out).metadata["choice"]
    for row in range(6):
        spoil(path, row)
    with pytest.raises(ValueError, match="`scan` must hold a slice that can be reconstructed"):
        reconstruct_stack(open_stack(path), out, Job(Method("fbp", samples=1)), overwrite=True)
    assert '"slices": [4]' in read_volume(out).metadata["choice"]


@pytest.mark.slow
def test_neural_fields_one_after_the_other(stack, out):
    recipe = Recipe(warm=3, rounds=1, refit=1, steps=20)
    family = replace(DEFAULT_FAMILY, width=8, depth=2)
    method = Method("inr", samples=1, family=family, recipe=recipe)
    summary = reconstruct_stack(stack, out, Job(method, slices=(0, 2)))
    assert set(summary.numbers) == {"prior", "weight"} and summary.numbers["weight"] > 0
    # What one slice chose decides for all; given to another run, it makes the same volume.
    given = Method("inr", **summary.numbers, family=family, recipe=recipe)
    again = out.with_name("again.h5")
    reconstruct_stack(stack, again, Job(given, slices=(0, 2)))
    assert np.array_equal(cells(again), cells(out))
    assert np.isfinite(cells(out)).all() and cells(out).std(axis=(1, 2)).min() > 0


def test_the_finished_volume_of_the_same_job_is_left_as_it_is(stack, out):
    reconstruct_stack(stack, out, FBP)
    before = out.stat()
    summary = reconstruct_stack(stack, out, FBP)
    assert (summary.earlier, summary.done) == (20, 20)
    assert out.stat().st_mtime_ns == before.st_mtime_ns and names(out.parent) == ["v.h5"]
    with pytest.raises(FileExistsError, match=r"`out` must not exist yet; got '.*v\.h5'"):
        reconstruct_stack(stack, out, TV)
    assert names(out.parent) == ["v.h5"]
    reconstruct_stack(stack, out, FBP, overwrite=True)
    assert out.stat().st_ino != before.st_ino


def test_an_older_file_stays_until_the_new_one_is_whole(stack, out, monkeypatch):
    out.write_text("mine")
    with pytest.raises(FileExistsError, match="Choose another name, or replace it with --overwr"):
        reconstruct_stack(stack, out, FBP)
    with monkeypatch.context() as patch:
        interrupted_after(1, patch)
        reconstruct_stack(stack, out, FBP, overwrite=True)
    assert out.read_text() == "mine"
    assert reconstruct_stack(stack, out, FBP, overwrite=True).earlier == 8
    assert np.isfinite(cells(out)).all()


def test_a_broken_file_is_one_that_can_be_replaced(stack, out):
    reconstruct_stack(stack, out, FBP)
    out.write_bytes(out.read_bytes()[:3000])
    with pytest.raises(FileExistsError, match="`out` must not exist yet"):
        reconstruct_stack(stack, out, FBP)
    assert reconstruct_stack(stack, out, FBP, overwrite=True).done == 20
    assert np.isfinite(cells(out)).all()


def test_a_run_that_only_had_to_clean_up_does_so(stack, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("ctinr.batch.unfinished.Unfinished.remove", lambda self: None)
        reconstruct_stack(stack, out, FBP)
    assert names(out.parent) == ["v.h5", "v.h5.partial"]
    before = out.stat().st_mtime_ns
    assert reconstruct_stack(stack, out, FBP, overwrite=True).done == 20
    assert names(out.parent) == ["v.h5"] and out.stat().st_mtime_ns == before


def test_another_input_is_refused(path, tmp_path, out, monkeypatch):
    own = tmp_path / "a.h5"
    shutil.copy2(path, own)
    with monkeypatch.context() as patch:
        interrupted_after(1, patch)
        reconstruct_stack(open_stack(own), out, FBP)
    os.utime(own, ns=(1, 1))
    with pytest.raises(FileExistsError, match=r'run of another command or input; .*: input .*"cha'):
        reconstruct_stack(open_stack(own), out, FBP)
    assert reconstruct_stack(open_stack(own), out, FBP, overwrite=True).earlier == 0


def test_a_file_that_changes_meanwhile_stops_it_and_nothing_is_lost(path, tmp_path, out):
    own = tmp_path / "a.h5"
    shutil.copy2(path, own)
    stack = open_stack(own)
    out.write_text("mine")

    def report(done, total):
        os.utime(own, ns=(1, 1))

    with pytest.raises(OSError, match="`scan` must stay as it is while it is reconstructed"):
        reconstruct_stack(stack, out, FBP, overwrite=True, report=report)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("room", [2000, 12000, 21000])
def test_a_full_disk_loses_nothing(stack, out, room):
    out.write_text("mine")
    message = r"`out` must lie on a disk with room for it; got '.*v\.h5' \(File too large\)"
    with little_room(room), pytest.raises(OSError, match=message):
        reconstruct_stack(stack, out, FBP, overwrite=True)
    assert out.read_text() == "mine"
    assert reconstruct_stack(stack, out, FBP, overwrite=True).done == 20
    assert np.isfinite(cells(out)).all()


def test_what_cannot_have_room_is_said_before_anything_is_computed(stack, out, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1000))
    with pytest.raises(
        OSError, match=r"must lie on a disk with room for it; got .* where 0 are free"
    ):
        reconstruct_stack(stack, out, FBP)


def test_threads_end_with_the_work(stack, out, monkeypatch):
    def broken(self, block, images):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Journal, "append", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        reconstruct_stack(stack, out, FBP)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ctinr")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "fdk"}, "`method` must be one of 'fbp', 'tv', 'inr'"),
        ({"name": "tv", "window": "hann"}, "`window` must be left out unless the method is fbp"),
        ({"name": "fbp", "weight": 1.0}, "`weight` must be left out unless the method is tv or i"),
        ({"name": "fbp", "window": "box"}, "`window` must be one of"),
        ({"name": "fbp", "cutoff": 0.0}, "`cutoff` must lie in"),
        ({"name": "tv", "weight": -1.0}, "`weight` must be above zero"),
        ({"name": "tv", "prior": "tv"}, "`prior` must be left out unless the method is inr"),
        ({"name": "inr", "weight": 1.0}, "`prior` must be given if a weight is"),
        ({"name": "inr", "prior": "fbp"}, "`prior` must be one of"),
        ({"name": "tv", "samples": 0}, "`samples` must be at least 1"),
    ],
)
def test_numbers_are_checked(given, message):
    with pytest.raises(ValueError, match=message):
        Method(**given)


def test_the_prior_of_a_recipe_holds_unless_another_is_given():
    recipe = Recipe(prior="tv", weight=0.5, rounds=3)
    alone = Method("inr", recipe=recipe)
    assert alone.asked is recipe and alone.given == {"prior": "tv", "weight": 0.5}
    other = Method("inr", prior="nonlocal", recipe=recipe)
    # A weight of total variation is no variance.
    assert other.asked == Recipe(prior="nonlocal", rounds=3) and other.given == {}
    own = Method("inr", prior="tv", weight=0.25, recipe=recipe)
    assert own.asked == replace(recipe, weight=0.25)
    assert Method("inr").asked == Recipe() and Method("inr", prior="tv").given == {}
