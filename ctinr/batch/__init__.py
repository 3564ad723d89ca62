"""A stack of slices on disk becomes a volume on disk: in pieces, restartable, on many machines."""

from ctinr.batch.budget import parse_bytes
from ctinr.batch.choosing import Method
from ctinr.batch.cluster import Cluster
from ctinr.batch.job import Job, Summary
from ctinr.batch.opening import open_stack
from ctinr.batch.reconstruct import reconstruct_stack
from ctinr.batch.stack import Stack
from ctinr.data.hdf5_volume import Volume, read_volume

__all__ = [
    "Cluster",
    "Job",
    "Method",
    "Stack",
    "Summary",
    "Volume",
    "open_stack",
    "parse_bytes",
    "read_volume",
    "reconstruct_stack",
]
