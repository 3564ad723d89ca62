from __future__ import annotations

import os
import stat

import pytest

from ctinr.data import replacing
from ctinr.data.files import existing


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as partial:
        partial.write_text("whole")
        assert partial.parent == tmp_path
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt(), SystemExit(1)])
def test_a_failure_leaves_the_older_file(tmp_path, failure):
    path = tmp_path / "a.txt"
    path.write_text("older")
    with pytest.raises(type(failure)), replacing(path, overwrite=True) as partial:
        partial.write_text("hal")
        raise failure
    assert path.read_text() == "older"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_older_file_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("older")
    rule = r"`path` must not exist yet; got '.*a\.txt'.*or overwrite it"
    with pytest.raises(FileExistsError, match=rule), replacing(path):
        pytest.fail("the block is not to be entered")
    with replacing(path, overwrite=True) as partial:
        partial.write_text("newer")
    assert path.read_text() == "newer"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(FileExistsError, match="must not exist yet"), replacing(path) as partial:
        partial.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_others_may_read_what_they_usually_may(tmp_path):
    with replacing(tmp_path / "a") as partial:
        partial.write_text("")
    (tmp_path / "b").write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1]


def test_the_folder_must_exist(tmp_path):
    rule = r"`path` must lie in a folder that exists; got '.*b\.txt'. Make '.*nowhere' first"
    with pytest.raises(FileNotFoundError, match=rule), replacing(tmp_path / "nowhere" / "b.txt"):
        pass


def test_a_folder_is_no_file(tmp_path):
    with (
        pytest.raises(IsADirectoryError, match="`path` must name a file; got the folder"),
        replacing(tmp_path, overwrite=True),
    ):
        pass


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    rule = r"`path` must lie in a folder that can be written to; got '.*a\.txt'.*another folder"
    if os.geteuid() == 0:  # whom no permission stops
        monkeypatch.setattr("pathlib.Path.touch", denied)
    else:
        tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError, match=rule), replacing(path):
            pytest.fail("the block is not to be entered")
    finally:
        tmp_path.chmod(0o755)
    assert os.listdir(tmp_path) == []


def denied(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`path` must name a file that exists; got '.*a\.h5'\.$"
    ):
        existing(tmp_path / "a.h5")
    with pytest.raises(FileNotFoundError, match=r"The folder '.*no' does not exist either"):
        existing(tmp_path / "no" / "a.h5")
    with pytest.raises(IsADirectoryError, match="got the folder"):
        existing(tmp_path)
