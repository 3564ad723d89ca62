"""Many simulated scans in files of the same length: in processes, and gone on with after a stop.

A file bears its name once it is whole, and its content follows from the recipe and its number
alone. So after a stop, at whatever moment, the same command makes what is missing, and it makes
the same files with any number of processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctinr import checks
from ctinr.data.locks import locked_folder

if TYPE_CHECKING:
    from ctinr.data import Scan
    from recon_scripts._recipes import Recipe
    from recon_scripts.simulate import Simulate

MANIFEST, FORMAT = "dataset.json", "ctinr-scans-recipe"
# Scans that are being made or wait to be written, for each process.
AHEAD = 3


def is_many(config: Simulate) -> bool:
    """Tell whether many scans are asked for; raise if only what belongs to them is."""
    import phantoms

    known = (*phantoms.catalogue, *phantoms.volume_catalogue)
    many = config.count is not None or (config.object not in known and Path(config.object).is_dir())
    for name in ("per_file", "workers"):
        rule, given = "be left out unless many scans are made", getattr(config, name)
        checks.require(many or given is None, name, rule, given, "Say how many by --count.")
    return many


def produced(config: Simulate) -> int:
    """Make the data set that the options ask for, and return the exit code."""
    from recon_scripts._progress import Display
    from recon_scripts._recipes import is_random, recipe_of
    from recon_scripts._terminal import INTERRUPTED, say

    workers = 1 if config.workers is None else checks.count(config.workers, "workers")
    recipe = recipe_of(config)
    folder = config.out or Path(f"{Path(config.object).name}-scans")
    with _own_folder(folder, recipe, overwrite=config.overwrite):
        files = file_names(recipe)
        missing = [number for number, name in enumerate(files) if not (folder / name).exists()]
        if len(missing) < len(files):
            say(f"Already there: {len(files) - len(missing)} of {len(files)} files.")
        if not (recipe.pictures or is_random(recipe.object)):
            say(
                "Note: The object is the same in all scans; only the noise differs.", style="yellow"
            )
        try:
            with Display() as display, display.stage(f"Simulating {config.object}") as bar:
                bar.begin(sum(len(items_of(recipe, number)) for number in missing))
                make(recipe, folder, missing, workers=workers, told=bar.reach)
        except KeyboardInterrupt:
            there = sum((folder / name).exists() for name in files)
            say(f"Interrupted: {there} of {len(files)} files are there. The same command goes on.")
            return INTERRUPTED
    say(f"Written: {recipe.count} scans in {len(files)} files in {folder}")
    return 0


def make(
    recipe: Recipe,
    folder: Path,
    numbers: Iterable[int],
    *,
    workers: int = 1,
    told: Callable[[int], Any] = lambda count: None,
) -> None:
    """Make the files of these numbers, and tell how many scans have been made."""
    from ctinr.data import write_scans

    numbers, names = list(numbers), file_names(recipe)
    wanted = [index for number in numbers for index in items_of(recipe, number)]
    done = 0
    with contextlib.closing(_made(recipe, wanted, workers)) as scans:
        for number in numbers:
            held = []
            for _ in items_of(recipe, number):
                held.append(next(scans))
                done += 1
                told(done)
            write_scans(folder / names[number], held, overwrite=True)


def file_names(recipe: Recipe) -> list[str]:
    """Return the names of all files, whose order is that of the scans."""
    count = -(-recipe.count // recipe.per_file)
    return [f"scans_{number:0{_digits(count)}d}.h5" for number in range(count)]


def _digits(files: int) -> int:
    return max(4, len(str(files - 1)))


def items_of(recipe: Recipe, number: int) -> range:
    """Return which scans a file holds."""
    begin = number * recipe.per_file
    return range(begin, min(begin + recipe.per_file, recipe.count))


def _made(recipe: Recipe, wanted: list[int], workers: int) -> Generator[Scan]:
    """Yield scans in that order, whoever makes them."""
    from recon_scripts._recipes import item

    if workers == 1:
        with _one_thread():
            yield from (item(recipe, index) for index in wanted)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # A fork would take over threads of the engines in the middle of what they do.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin_worker)
    waiting: deque[Any] = deque()
    try:
        for index in wanted:
            waiting.append(pool.submit(_parts, recipe, index))
            if len(waiting) >= AHEAD * workers:
                yield _assembled(*waiting.popleft().result())
        while waiting:
            yield _assembled(*waiting.popleft().result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _parts(recipe: Recipe, index: int) -> tuple[Any, ...]:
    """Return a scan with arrays: tensors would go through shared memory, which may be scarce."""
    from recon_scripts._recipes import item

    scan = item(recipe, index)
    truth = None if scan.truth is None else scan.truth.numpy()
    return scan.sinogram.numpy(), scan.geometry, scan.grid, truth, dict(scan.metadata)


def _assembled(sinogram: Any, geometry: Any, grid: Any, truth: Any, metadata: Any) -> Scan:
    import torch

    from ctinr.data import Scan

    truth = None if truth is None else torch.from_numpy(truth)
    return Scan(torch.from_numpy(sinogram), geometry, grid, truth, metadata)


def _begin_worker() -> None:
    """Let a process have one thread, leave Ctrl-C to its parent, and end when that does."""
    import multiprocessing

    import torch

    os.environ["NUMBA_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent: Any = multiprocessing.parent_process()

    def outlive() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=outlive, daemon=True).start()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch have one thread in the block, as each of several processes has."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _own_folder(folder: Path, recipe: Recipe, *, overwrite: bool) -> Iterator[None]:
    """Make the folder, let no other run into it in the block, and see what it holds already."""
    rule = "name a folder for many scans"
    if folder.suffix.lower() in (".h5", ".hdf5") or (folder.exists() and not folder.is_dir()):
        raise ValueError(checks.message("out", rule, f"'{folder}'"))
    folder.mkdir(parents=True, exist_ok=True)
    with locked_folder(folder, "out"):
        _prepare(folder, recipe, overwrite=overwrite)
        yield


def _prepare(folder: Path, recipe: Recipe, *, overwrite: bool) -> None:
    """See that a folder holds what the same recipe made, or fewer scans of it; else raise."""
    from ctinr.data import replacing

    about = {"format": FORMAT, "version": 1, "recipe": recipe.to_dict()}
    about = json.loads(json.dumps(about))
    earlier = _earlier(folder)
    if earlier is not None and earlier != about:
        if fewer_of(earlier["recipe"], about["recipe"]):
            _remove_short(folder, recipe)
        elif overwrite:
            (folder / MANIFEST).unlink()
            _remove(folder.glob("scans_*.h5"))
        else:
            rule = "name a folder whose scans were made with the same options, or fewer of them"
            remedy = "Give the same options, choose another folder, or overwrite it."
            raise FileExistsError(checks.message("out", rule, f"'{folder}'", remedy))
    _remove(folder.glob(".scans_*.h5.*.partial"))
    if earlier != about:
        with replacing(folder / MANIFEST, overwrite=True) as partial:
            partial.write_text(json.dumps(about, indent=2))
    _check_whole(folder, recipe)


def fewer_of(earlier: Mapping[str, Any], recipe: Mapping[str, Any]) -> bool:
    """Tell whether a recipe, as plain values, makes all scans of another one and more.

    Their files must have the same names, which get longer where there are many.
    """
    count = earlier.get("count")
    if not isinstance(count, int) or not 0 < count < recipe["count"]:
        return False
    fewer = {**recipe, "count": count, "pictures": recipe["pictures"][:count]}
    names = [_digits(-(-each // recipe["per_file"])) for each in (count, recipe["count"])]
    return fewer == earlier and names[0] == names[1]


def _remove_short(folder: Path, recipe: Recipe) -> None:
    """Remove the last file of fewer scans if it was not full: it is made again, and longer."""
    from ctinr.data.scan_places import scan_file

    there = [each for each in file_names(recipe) if (folder / each).exists()]
    if there and scan_file(folder / there[-1]).count < recipe.per_file:
        (folder / there[-1]).unlink()


def _earlier(folder: Path) -> Any:
    """Return what an earlier run said that it makes there, None if the folder is empty."""
    path = folder / MANIFEST
    _remove(folder.glob(f".{MANIFEST}.*.partial"))
    if path.is_file():
        with contextlib.suppress(ValueError):
            found = json.loads(path.read_text())
            if isinstance(found, dict) and found.get("format") == FORMAT:
                return found
    if any(folder.iterdir()):
        rule, remedy = "name an empty folder or a new one", "It holds something else."
        raise FileExistsError(checks.message("out", rule, f"'{folder}'", remedy))
    return None


def _check_whole(folder: Path, recipe: Recipe) -> None:
    """Raise unless the files that are there hold as many scans as they should."""
    from ctinr.data.scan_places import scan_file

    for number, name in enumerate(file_names(recipe)):
        path = folder / name
        if path.exists():
            count, wanted = scan_file(path).count, len(items_of(recipe, number))
            rule, remedy = f"hold a file {name} of {wanted} scans", "Remove that file."
            checks.require(count == wanted, "out", rule, f"'{path}' with {count}", remedy)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)
