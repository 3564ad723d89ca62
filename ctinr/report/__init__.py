"""Pictures and tables of results; the figures and the page are imported when they are drawn."""

from ctinr.report.comparison import Comparison
from ctinr.report.folder import output_folder
from ctinr.report.memory import Cost, measured_cost
from ctinr.report.record import run_record
from ctinr.report.row import Convergence, DataRange, Row, label_of, measure, range_of_truth

__all__ = [
    "Comparison",
    "Convergence",
    "Cost",
    "DataRange",
    "Row",
    "label_of",
    "measure",
    "measured_cost",
    "output_folder",
    "range_of_truth",
    "run_record",
]
