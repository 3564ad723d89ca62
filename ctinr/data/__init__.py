"""Measured and simulated scans: files, preprocessing, simulation."""

from ctinr.data.checkpoint import Checkpoint
from ctinr.data.datasets import ScanDataset
from ctinr.data.files import replacing
from ctinr.data.formats.acquisition import Acquisition, acquisition_of_scan
from ctinr.data.formats.contents import contents_of
from ctinr.data.formats.conversion import convert
from ctinr.data.formats.detect2d import read_detect2d
from ctinr.data.formats.dicom_ct_pd import read_dicom_ct_pd
from ctinr.data.formats.exchange import read_exchange
from ctinr.data.formats.exchange_frames import write_exchange
from ctinr.data.formats.fips import read_fips
from ctinr.data.formats.helsinki import read_helsinki
from ctinr.data.formats.lodopab import read_lodopab
from ctinr.data.formats.measured import KnownRays
from ctinr.data.formats.naf import read_naf
from ctinr.data.formats.nxtomo import read_nxtomo
from ctinr.data.formats.nxtomo_frames import write_nxtomo
from ctinr.data.formats.r2gaussian import read_r2gaussian
from ctinr.data.formats.stacks import read_stack
from ctinr.data.hdf5 import read_hdf5_scan, write_scan
from ctinr.data.hdf5_volume import Volume, is_volume, read_volume, write_volume
from ctinr.data.images import read_image, scan_from_image
from ctinr.data.pictures import Picture, read_picture
from ctinr.data.preprocessing.binning import binned, cropped
from ctinr.data.preprocessing.center import find_center
from ctinr.data.preprocessing.center_search import (
    center_of_opposite_views,
    find_center_full_turn,
    find_center_in_wedge,
)
from ctinr.data.preprocessing.flats import drifting_flat_field
from ctinr.data.preprocessing.hardening import correct_hardening, fit_hardening
from ctinr.data.preprocessing.outliers import remove_outliers
from ctinr.data.preprocessing.stripes import remove_stripes_by_filtering, remove_stripes_by_sorting
from ctinr.data.preprocessing.transmission import fill_bins, flat_field, minus_log, open_beam
from ctinr.data.readers import READERS, Reader, read_scan, reader_of
from ctinr.data.scan import Scan
from ctinr.data.scan_sets import read_scan_of_set, write_scans
from ctinr.data.simulation import Noise, projected_scan, simulate, simulated_scan
from ctinr.data.sounds import Sound, read_sound

__all__ = [
    "READERS",
    "Acquisition",
    "Checkpoint",
    "KnownRays",
    "Noise",
    "Picture",
    "Reader",
    "Scan",
    "ScanDataset",
    "Sound",
    "Volume",
    "acquisition_of_scan",
    "binned",
    "center_of_opposite_views",
    "contents_of",
    "convert",
    "correct_hardening",
    "cropped",
    "drifting_flat_field",
    "fill_bins",
    "find_center",
    "find_center_full_turn",
    "find_center_in_wedge",
    "fit_hardening",
    "flat_field",
    "is_volume",
    "minus_log",
    "open_beam",
    "projected_scan",
    "read_detect2d",
    "read_dicom_ct_pd",
    "read_exchange",
    "read_fips",
    "read_hdf5_scan",
    "read_helsinki",
    "read_image",
    "read_lodopab",
    "read_naf",
    "read_nxtomo",
    "read_picture",
    "read_r2gaussian",
    "read_scan",
    "read_scan_of_set",
    "read_sound",
    "read_stack",
    "read_volume",
    "reader_of",
    "remove_outliers",
    "remove_stripes_by_filtering",
    "remove_stripes_by_sorting",
    "replacing",
    "scan_from_image",
    "simulate",
    "simulated_scan",
    "write_exchange",
    "write_nxtomo",
    "write_scan",
    "write_scans",
    "write_volume",
]
