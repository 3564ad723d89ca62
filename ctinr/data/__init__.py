"""Measured and simulated scans: files, preprocessing, simulation."""

from ctinr.data.center import find_center
from ctinr.data.conversion import convert
from ctinr.data.exchange import read_exchange
from ctinr.data.files import replacing
from ctinr.data.flats import drifting_flat_field
from ctinr.data.hdf5 import read_hdf5_scan, write_scan
from ctinr.data.images import read_image, scan_from_image
from ctinr.data.nxtomo import read_nxtomo
from ctinr.data.pictures import Picture, read_picture
from ctinr.data.preprocessing import fill_bins, flat_field, minus_log, open_beam
from ctinr.data.readers import READERS, Reader, read_scan, reader_of
from ctinr.data.scan import Scan
from ctinr.data.simulation import Noise, projected_scan, simulate, simulated_scan
from ctinr.data.sounds import Sound, read_sound

__all__ = [
    "READERS",
    "Noise",
    "Picture",
    "Reader",
    "Scan",
    "Sound",
    "convert",
    "drifting_flat_field",
    "fill_bins",
    "find_center",
    "flat_field",
    "minus_log",
    "open_beam",
    "projected_scan",
    "read_exchange",
    "read_hdf5_scan",
    "read_image",
    "read_nxtomo",
    "read_picture",
    "read_scan",
    "read_sound",
    "reader_of",
    "replacing",
    "scan_from_image",
    "simulate",
    "simulated_scan",
    "write_scan",
]
