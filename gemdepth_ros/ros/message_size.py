"""Which outputs are too large for the shared memory that keeps images between processes."""

from __future__ import annotations

from collections.abc import Iterator

from gemdepth_ros.interfaces import PipelineOutput

LARGEST_MESSAGE = 16 * 1024 * 1024  # maxMessageSize of config/fastdds_shm.xml [bytes]
CLOUD_POINT, CLOUD_NORMAL = 16, 12  # bytes of x, y, z, rgb, and of a normal
MIB = 1024 * 1024


def oversized(output: PipelineOutput) -> str:
    """Return one line about the products that are larger than one message may be, or ''."""
    large = [
        f'{name} {size / MIB:.0f} MiB' for name, size in _sizes(output) if size > LARGEST_MESSAGE
    ]
    if not large:
        return ''
    return (
        f'messages over {LARGEST_MESSAGE // MIB} MiB do not fit the shared memory of '
        f'config/fastdds_shm.xml and get lost between processes: {", ".join(large)}; raise '
        'products.cloud_decimation, or the sizes in a copy of that file'
    )


def _sizes(output: PipelineOutput) -> Iterator[tuple[str, int]]:
    for name, pixels in (
        ('depth', output.relative_depth if output.depth_m is None else output.depth_m),
        ('disparity', output.disparity),
        ('preview', output.preview_rgb),
        ('normals', output.normals_rgb),
    ):
        if pixels is not None:
            yield name, pixels.nbytes
    if output.cloud is not None:
        height, width = output.cloud.xyz.shape[:2]
        point = CLOUD_POINT + (0 if output.cloud.normals is None else CLOUD_NORMAL)
        yield 'points', height * width * point
