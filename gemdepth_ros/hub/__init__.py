"""Weights from a model hub: catalogue, download, checksum records, and where the files lie.

Neither torch nor ROS is imported here, and the hub's client only when something is downloaded.
"""

from __future__ import annotations

from gemdepth_ros.hub.cache import (
    add_file,
    cache_folder,
    locate,
    missing_weights,
    verify_entry,
    weights_path,
)
from gemdepth_ros.hub.catalogue import CATALOGUE, WeightsEntry, find_entry
from gemdepth_ros.hub.download import download
from gemdepth_ros.hub.records import (
    ChecksumRecord,
    digest_of,
    read_record,
    record_path,
    sha256_of,
    verify,
)

__all__ = [
    'CATALOGUE',
    'ChecksumRecord',
    'WeightsEntry',
    'add_file',
    'cache_folder',
    'digest_of',
    'download',
    'find_entry',
    'locate',
    'missing_weights',
    'read_record',
    'record_path',
    'sha256_of',
    'verify',
    'verify_entry',
    'weights_path',
]
