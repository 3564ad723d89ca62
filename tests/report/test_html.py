"""The page is complete in itself, and says what it must."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from ctinr.geometry import Grid
from ctinr.report import Comparison, html
from ctinr.report.html import block_averages, viewer_data, write_report
from ctinr.report.page import chosen_text, words

LOADING = {"src", "srcset", "href", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """Read a page: what it loads, its text, the JSON inside, unlabelled controls."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.text, self.data, self.images, self._inside = [], [], "", [], ""
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        own = dict(attributes)
        self.tags.append((tag, own))
        self.loads += [value for name, value in attributes if name in LOADING]
        self._inside = own.get("type", tag) if tag in ("script", "style") else ""

    def handle_data(self, data):
        if self._inside == "application/json":
            self.data += data
        elif not self._inside:
            self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def quick(comparison, style=None, *, names=("images", "errors", "profile", "choices")):
    return {name: b"a picture" for name in names}


@pytest.fixture
def page_of(tmp_path, monkeypatch):
    """Return a function that writes a page and reads it; its figures are only drawn on request."""

    def read(comparison, *, drawn=False):
        if not drawn:
            monkeypatch.setattr(html, "draw", quick)
        write_report(tmp_path / "report.html", comparison)
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        return text, Page(text)

    return read


@pytest.mark.slow
def test_nothing_is_loaded(compared, page_of):
    text, page = page_of(compared(oracle=True), drawn=True)
    assert page.loads
    assert all(value.startswith("data:") for value in page.loads)
    without_data = re.sub(r"data:[^\"]*", "", text)
    for forbidden in ("http:", "https:", "@import", "url(", "fetch(", "XMLHttpRequest", "//cdn"):
        assert forbidden not in without_data


def test_every_method_its_numbers_and_the_range_are_there(compared, page_of):
    comparison = compared(oracle=True)
    _, page = page_of(comparison)
    for row in comparison.rows:
        assert row.label in page.words
        assert f"{row.metrics['psnr']:.2f}" in page.words
    assert "0.02 1/mm (max − min of the truth)" in page.words
    assert comparison.verdict() in page.words
    assert "tuned against the truth and were left out" in page.words
    for expected in ("1 min 01 s", "300 MB", "1.00 GB", "Flat.", "Please note", "numba"):
        assert expected in page.words
    assert "ctinr compare 'a b.h5'" in page.words
    assert "Window hann, cut-off 0.6: least relative error on withheld views" in page.words


def test_what_comes_from_a_file_is_text_and_not_markup(compared, page_of):
    text, page = page_of(compared())
    assert "A <disk>" in page.words
    assert "It is <cut off>." in page.words
    assert "<disk>" not in text
    assert "<cut off>" not in text


def test_without_a_truth_there_is_no_psnr_but_the_withheld_error(compared, page_of):
    _, page = page_of(compared(truth=False))
    data = json.loads(page.data)
    assert "there is no PSNR" in page.words
    assert not re.search(r"[\d.]+ ?dB", page.words)
    assert "SSIM" not in page.words
    assert "8.00 %" in page.words
    assert [image["label"] for image in data["images"]] == ["FBP", "TV", "Neural field"]
    assert not any(image["truth"] for image in data["images"])


def test_the_viewer_has_every_value(compared, page_of):
    comparison = compared()
    _, page = page_of(comparison)
    data = json.loads(page.data)
    assert data["extent"] == [32.0, 20.0]
    assert data["images"][0]["truth"]
    shown = {image["label"]: image for image in data["images"]}
    for row in comparison.rows:
        image, values = shown[row.label], row.reconstruction.image.numpy()
        codes = np.frombuffer(base64.b64decode(image["data"]), "<u2").reshape(data["shape"])
        step = (image["high"] - image["low"]) / 65535
        np.testing.assert_allclose(image["low"] + step * codes, values, atol=0.51 * step)


def test_the_viewer_starts_with_the_truth_and_the_best(compared):
    data = viewer_data(compared())
    assert [data["images"][data[side]]["label"] for side in ("left", "right")] == ["Truth", "TV"]
    data = viewer_data(compared(truth=False))
    pair = [data["images"][data[side]]["label"] for side in ("left", "right")]
    assert pair == ["TV", "Neural field"]


def test_a_large_image_is_shown_in_block_averages(compared):
    comparison = compared(truth=False)
    row = comparison.rows[0]
    large = torch.arange(4.0).repeat(1, 600)
    row = replace(row, reconstruction=replace(row.reconstruction, image=large.repeat(3, 1)))
    scan = replace(comparison.scan, grid=Grid((3, 2400), 1.0))
    data = viewer_data(replace(comparison, scan=scan, rows=(row,)))
    assert data["shape"] == [1, 800]
    image = data["images"][0]
    assert (image["low"], image["high"]) == (1.0, 2.0)


def test_block_averages_leave_out_part_blocks():
    image = np.arange(35.0).reshape(5, 7)
    np.testing.assert_array_equal(block_averages(image, 3), [[8.0, 11.0]])


def test_controls_and_pictures_have_names(compared, page_of):
    _, page = page_of(compared())
    for tag, own in page.tags:
        if tag == "img":
            assert own["alt"]
        if tag == "input" and own["type"] == "range" and own["id"] == "split":
            assert own["aria-label"]
    assert ("html", {"lang": "en"}) in page.tags


def test_a_page_without_any_row_still_says_why(scan, page_of):
    comparison = Comparison(scan, (), warnings=("Interrupted during FBP.",))
    _, page = page_of(comparison)
    assert "Interrupted during FBP." in page.words
    assert "No method gave a result" in page.words
    assert json.loads(page.data) == {"images": []}


def test_memory_that_is_not_of_one_method_alone_is_told(compared, page_of):
    comparison = compared()
    _, page = page_of(comparison)
    assert "resident in the process while the method ran" in page.words
    record = {**comparison.record, "memory_separate": False}
    _, page = page_of(replace(comparison, record=record))
    assert "up to then; this system cannot tell it apart" in page.words


def test_an_interrupted_method_is_called_so(compared, page_of):
    comparison = compared()
    first = comparison.rows[1]
    cut = replace(first, reconstruction=replace(first.reconstruction, stopped_by="interrupted"))
    _, page = page_of(replace(comparison, rows=(cut,)))
    assert "TV interrupted" in page.words


@pytest.mark.parametrize(
    "stopped_by, whose, remark",
    [
        ("iterations", "Final fit, on all views: weight 0.01", ""),
        ("interrupted", "Last fit: weight 0.01", "interrupted"),
        ("time budget", "Last fit: weight 0.01", "out of time"),
        ("loss became nan at iteration 37", "Last fit: weight 0.01", "diverged"),
    ],
)
def test_the_page_says_which_fit_is_shown(compared, stopped_by, whose, remark):
    comparison = compared()
    ended = replace(comparison.rows[1].reconstruction, stopped_by=stopped_by)
    rows = (replace(comparison.rows[1], reconstruction=ended),)
    (method,) = words(replace(comparison, rows=rows))["methods"]
    assert method["parameters"].startswith(whose)
    assert method["remark"] == remark


def test_an_image_that_is_not_the_one_of_the_network_is_named_so(compared):
    row = compared().rows[1]

    def told(record):
        return chosen_text(replace(row, reconstruction=replace(row.reconstruction, record=record)))

    assert told({"data_steps_after": 0}) == told({}) == chosen_text(row)
    assert "went through 2 data steps more" in told({"data_steps_after": 2})
