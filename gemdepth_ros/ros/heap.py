"""Keep the memory that a frame frees for the next frame, which needs as much again.

glibc gives large blocks back to the system at once, and each page of the next block costs a
fault: 3000 to 5000 of them in a frame of 1242x375, a quarter of the node's own time.
"""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
# Larger blocks than a frame's largest array are weights: theirs goes back when they are freed.
OWN_MAPPING_BYTES = 16 * 1024 * 1024
KEPT_BYTES = 128 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Tell the C library's allocator; return whether it can be told.

    What the user says by glibc's own environment variables stays as it is.
    """
    if any(name in os.environ for name in ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_')):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, 'mallopt'):
        return False  # another C library
    told = library.mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)
    return bool(told and library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


def give_back_freed_memory() -> None:
    """Return free pages to the system, after something large has been freed."""
    library = ctypes.CDLL(None)
    if hasattr(library, 'malloc_trim'):
        library.malloc_trim(0)
