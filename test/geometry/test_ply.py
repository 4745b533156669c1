"""PLY files, read back by a reader that knows the format and not the writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gemdepth_ros.geometry.ply import write_ply

TYPES = {'float': '<f4', 'uchar': 'u1'}


def read_ply(path: Path) -> tuple[np.ndarray, list[str]]:
    """Vertices as a structured array, and the comments."""
    content = path.read_bytes()
    head, body = content.split(b'end_header\n', 1)
    lines = head.decode('ascii').splitlines()
    assert lines[:2] == ['ply', 'format binary_little_endian 1.0']
    count = next(int(line.split()[2]) for line in lines if line.startswith('element vertex'))
    fields = [line.split()[1:] for line in lines if line.startswith('property')]
    vertices = np.frombuffer(body, [(name, TYPES[kind]) for kind, name in fields])
    assert len(vertices) == count
    return vertices, [line[8:] for line in lines if line.startswith('comment ')]


def cloud(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    xyz, normals = rng.normal(size=(2, count, 3))
    return xyz, rng.integers(0, 256, (count, 3), np.uint8), normals.astype(np.float32)


@pytest.mark.parametrize('count', [0, 1, 1000])
def test_what_is_written_is_read(tmp_path: Path, count: int) -> None:
    xyz, rgb, normals = cloud(count)
    path = tmp_path / 'cloud.ply'
    write_ply(path, xyz, rgb, normals, ['unit: metres', 'made by\na test'])
    vertices, comments = read_ply(path)
    assert vertices.dtype.names == ('x', 'y', 'z', 'nx', 'ny', 'nz', 'red', 'green', 'blue')
    for index, name in enumerate('xyz'):
        np.testing.assert_array_equal(vertices[name], xyz[:, index].astype(np.float32))
        np.testing.assert_array_equal(vertices[f'n{name}'], normals[:, index])
    np.testing.assert_array_equal(vertices['green'], rgb[:, 1])
    assert comments == ['unit: metres', 'made by a test']


def test_without_normals(tmp_path: Path) -> None:
    xyz, rgb, _ = cloud(5)
    write_ply(tmp_path / 'cloud.ply', xyz, rgb)
    vertices, comments = read_ply(tmp_path / 'cloud.ply')
    assert vertices.dtype.names == ('x', 'y', 'z', 'red', 'green', 'blue')
    assert comments == []


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    xyz, rgb, _ = cloud(5)
    with pytest.raises(OSError, match='directory'):
        write_ply(tmp_path / 'gone' / 'cloud.ply', xyz, rgb)
    (tmp_path / 'folder.ply').mkdir()
    with pytest.raises(OSError, match='folder'):
        write_ply(tmp_path / 'folder.ply', xyz, rgb)
    assert [path.name for path in tmp_path.iterdir()] == ['folder.ply']
