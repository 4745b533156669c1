"""Ranges of configuration values, by the names of a dataclass's fields."""

from __future__ import annotations

import sys

Ranges = dict[str, tuple[float, float | None]]  # smallest and largest; None: no limit
ABOVE_ZERO = sys.float_info.min  # the smallest of a range that leaves 0 out
