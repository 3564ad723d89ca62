"""A result is whole or not there, and nothing that was there before is lost."""

from __future__ import annotations

import pytest

from ctinr.report import folder as room
from ctinr.report import output_folder
from ctinr.report.store import write_result
from tests.limits import little_room


def earlier(path):
    path.mkdir()
    (path / "metrics.json").write_text("old")
    return path


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_a_result_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "above" / "result"
    with output_folder(target) as folder:
        (folder / "metrics.json").write_text("new")
        assert not target.exists()
    assert (target / "metrics.json").read_text() == "new"
    assert names(target.parent) == ["result"]


def test_what_exists_is_not_overwritten_and_said_before_any_work(tmp_path):
    target = earlier(tmp_path / "result")
    begun = []
    message = r"`out` must be a new folder; got '.*result', which exists\. .* with --overwrite\."
    with pytest.raises(FileExistsError, match=message), output_folder(target):
        begun.append(True)
    assert not begun
    assert (target / "metrics.json").read_text() == "old"


def test_overwrite_replaces_when_the_new_one_is_complete(tmp_path):
    target = earlier(tmp_path / "result")
    (target / "report.html").write_text("old")
    with output_folder(target, overwrite=True) as folder:
        (folder / "metrics.json").write_text("new")
        assert (target / "metrics.json").read_text() == "old"
    assert names(target) == ["metrics.json"]
    assert (target / "metrics.json").read_text() == "new"
    assert names(tmp_path) == ["result"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_one_and_no_rubbish(tmp_path, error):
    target = earlier(tmp_path / "result")
    with pytest.raises(error), output_folder(target, overwrite=True) as folder:
        (folder / "metrics.json").write_text("half")
        raise error
    assert (target / "metrics.json").read_text() == "old"
    assert names(tmp_path) == ["result"]


def test_overwrite_touches_no_folder_that_holds_something_else(tmp_path):
    target = earlier(tmp_path / "result")
    (target / "thesis.tex").write_text("years of work")
    message = r"`out` must hold nothing but an earlier result; got .* also holds 'thesis\.tex'"
    with pytest.raises(FileExistsError, match=message), output_folder(target, overwrite=True):
        pass
    assert (target / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_free(tmp_path):
    (tmp_path / "result").mkdir()
    with output_folder(tmp_path / "result") as folder:
        (folder / "metrics.json").touch()
    assert names(tmp_path / "result") == ["metrics.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_no_folder(tmp_path, overwrite):
    (tmp_path / "result").write_text("a file")
    message = r"`out` must be a folder to make; got '.*', which exists\. It is a file"
    with (
        pytest.raises(FileExistsError, match=message),
        output_folder(tmp_path / "result", overwrite=overwrite),
    ):
        pass
    assert (tmp_path / "result").read_text() == "a file"


def test_a_place_that_cannot_be_written_to_is_said_before_any_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = r"`out` must be in a folder that can be written to; got .* Choose another one"
    with pytest.raises(OSError, match=message), output_folder(tmp_path / "file" / "result"):
        pass


def test_permission_is_asked_for_at_the_start(tmp_path, monkeypatch):
    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(room.Path, "mkdir", refuse)
    with (
        pytest.raises(OSError, match=r"got .*\(Permission denied\)"),
        output_folder(tmp_path / "a"),
    ):
        pass


def test_a_folder_made_in_the_meantime_costs_no_result(tmp_path):
    target = tmp_path / "result"
    with (
        pytest.raises(OSError, match=r"which exists.*The new result is kept in '.*partial'"),
        output_folder(target) as folder,
    ):
        (folder / "metrics.json").write_text("new")
        earlier(target)
    assert (target / "metrics.json").read_text() == "old"
    assert (folder / "metrics.json").read_text() == "new"


def test_a_full_disk_is_named_and_leaves_the_old_one(tmp_path, compared):
    target = earlier(tmp_path / "result")
    rule = r"`out` must lie on a disk with room for it; got '.*result' \(.*\)\. Make room"
    with (
        little_room(1000),
        pytest.raises(OSError, match=rule),
        output_folder(target, overwrite=True) as folder,
    ):
        write_result(folder / "result.h5", compared())
    assert (target / "metrics.json").read_text() == "old"
    assert names(tmp_path) == ["result"]
