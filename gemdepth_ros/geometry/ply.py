"""Point clouds as binary PLY files, which CloudCompare, MeshLab, Open3D and PCL read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array


def write_ply(
    path: Path,
    xyz: Float64Array | Float32Array,
    rgb: UInt8Array,
    normals: Float32Array | None = None,
    comments: Sequence[str] = (),
) -> None:
    """Write a cloud; the file appears whole or not at all.

    Args:
        path: the file.
        xyz: [N, 3], written as float32.
        rgb: uint8 [N, 3].
        normals: [N, 3] or None.
        comments: lines for the header, such as the unit; ASCII.

    Raises:
        OSError: the file cannot be written.
    """
    fields = [(name, '<f4', 'float') for name in ('x', 'y', 'z')]
    if normals is not None:
        fields += [(name, '<f4', 'float') for name in ('nx', 'ny', 'nz')]
    fields += [(name, 'u1', 'uchar') for name in ('red', 'green', 'blue')]
    rows = np.empty(len(xyz), [(name, kind) for name, kind, _ in fields])
    columns = [*xyz.T, *(normals.T if normals is not None else ()), *rgb.T]
    for (name, _, _), column in zip(fields, columns, strict=True):
        rows[name] = column
    header = [
        'ply',
        'format binary_little_endian 1.0',
        *(f'comment {" ".join(line.split())}' for line in comments),
        f'element vertex {len(rows)}',
        *(f'property {kind} {name}' for name, _, kind in fields),
        'end_header',
    ]
    partial = path.with_name(f'.{path.name}.partial')
    try:
        with partial.open('wb') as file:
            file.write(('\n'.join(header) + '\n').encode('ascii', 'replace'))
            file.write(rows.tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
