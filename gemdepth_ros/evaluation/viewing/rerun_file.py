"""Images, depth, clouds and motion on one timeline, as a file for the Rerun viewer."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from gemdepth_ros.errors import ConfigError, DependencyError
from gemdepth_ros.geometry.point_cloud import organized_cloud
from gemdepth_ros.geometry.se3 import inverse
from gemdepth_ros.interfaces import (
    Float32Array,
    Float64Array,
    PipelineOutput,
    VideoFrame,
)

if TYPE_CHECKING:
    from typing_extensions import Self

APPLICATION = 'gemdepth_ros'
TIMELINE = 'capture'  # seconds of the stamps
MAX_WIDTH_PX = 640  # of depth images
MAX_POINTS = 30_000  # of one cloud
JPEG_QUALITY = 80
INSTALL = "pip install 'gemdepth_ros[rerun]', or: pip install rerun-sdk"


class RerunFile:
    """Context manager: call it once per processed frame, and look at the file with ``rerun FILE``.

    What it holds: ``world/camera`` (pose, image, depth, points), ``world/trajectory``, the true
    depth and trajectory where they are known, and plots of latency and scale. Everything lies in
    the frame of the first camera (x right, y down, z forward). Memory does not grow but by the two
    trajectories' positions.

    Args:
        path: the ``.rrd`` file; a file there is replaced at the end.

    Raises:
        DependencyError: rerun-sdk is not installed.
        ConfigError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix != '.rrd':
            raise ConfigError(f'a recording for Rerun is named .rrd, got {path}')
        if not path.parent.is_dir():
            raise ConfigError(f'cannot write {path}: there is no folder {path.parent}')
        self._path = path
        self._partial = path.with_name(f'.partial-{path.name}')
        self._rerun = _load_rerun()
        self._own: list[Float64Array] = []
        self._true: list[Float64Array] = []
        self._first_from_world: Float64Array | None = None

    def __enter__(self) -> Self:
        rerun = self._rerun
        # A fixed name, so that equal runs differ in their times alone.
        self._stream = rerun.RecordingStream(APPLICATION, recording_id=self._path.stem)
        self._stream.save(self._partial)
        self._stream.send_blueprint(_blueprint())
        self._log('world', rerun.ViewCoordinates.RDF, static=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._log_path('world/trajectory', self._own, (0, 114, 178))
        self._log_path('world/true_trajectory', self._true, (138, 138, 138))
        self._stream.flush()
        self._stream.disconnect()
        if exc_type is None:
            os.replace(self._partial, self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def __call__(
        self,
        frame: VideoFrame,
        output: PipelineOutput | None,
        truth_depth_m: Float32Array | None,
        world_from_camera: Float64Array | None,
    ) -> None:
        """Write one frame.

        Args:
            frame: what the pipeline was given.
            output: what it answered; None (offline) is passed over.
            truth_depth_m: true depth [m], float32 [H, W], NaN unknown; None: unknown.
            world_from_camera: true pose, float64 [4, 4], in any fixed world; None: unknown.
        """
        if output is None:
            return
        self._stream.set_time(TIMELINE, timestamp=frame.stamp_ns / 1e9)
        self._stream.set_time('frame', sequence=len(self._own))
        self._camera(frame, output)
        self._depth(output, frame)
        if truth_depth_m is not None:
            self._truth(truth_depth_m)
        self._motion(output, world_from_camera)
        self._numbers(output)

    def _camera(self, frame: VideoFrame, output: PipelineOutput) -> None:
        camera, rerun = output.camera, self._rerun
        matrix = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
        pinhole = rerun.Pinhole(
            image_from_camera=matrix,
            resolution=[camera.width, camera.height],
            camera_xyz=rerun.ViewCoordinates.RDF,
        )
        self._log('world/camera/image', pinhole)
        picture = rerun.Image(frame.image_rgb).compress(jpeg_quality=JPEG_QUALITY)
        self._log('world/camera/image/rgb', picture)

    def _depth(self, output: PipelineOutput, frame: VideoFrame) -> None:
        depth = output.depth_m if output.depth_m is not None else output.relative_depth
        if depth is None:
            return
        self._log('depth', self._depth_image(depth))
        cloud = output.cloud
        if cloud is None:
            metric = output.depth_m is not None
            cloud = organized_cloud(depth, frame.image_rgb, output.camera, 1, metric=metric)
        xyz, rgb = cloud.xyz.reshape(-1, 3), cloud.rgb.reshape(-1, 3)
        finite = np.isfinite(xyz).all(axis=1)
        xyz, rgb = xyz[finite], rgb[finite]
        step = -(-len(xyz) // MAX_POINTS) or 1
        self._log('world/camera/points', self._rerun.Points3D(xyz[::step], colors=rgb[::step]))

    def _truth(self, truth_m: Float32Array) -> None:
        self._log('true_depth', self._depth_image(truth_m))

    def _depth_image(self, depth: Float32Array) -> Any:
        """Return a depth image; half floats are exact to 0.05 %, 0 is nothing."""
        step = -(-depth.shape[1] // MAX_WIDTH_PX)
        small = depth[::step, ::step]
        known = np.isfinite(small) & (small < np.finfo(np.float16).max)
        return self._rerun.DepthImage(np.where(known, small, 0).astype(np.float16), meter=1.0)

    def _motion(self, output: PipelineOutput, world_from_camera: Float64Array | None) -> None:
        if output.motion is None:
            return
        pose = output.motion.odom_from_camera
        transform = self._rerun.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
        self._log('world/camera', transform)
        self._own.append(pose[:3, 3].copy())
        if world_from_camera is not None:
            if self._first_from_world is None:
                # True and own motion begin in one place, the first camera with a true pose.
                self._first_from_world = pose @ inverse(world_from_camera)
            self._true.append((self._first_from_world @ world_from_camera)[:3, 3])

    def _numbers(self, output: PipelineOutput) -> None:
        values = {'latency_ms': output.processing_ms, 'scale': output.grounding.scale}
        for name, value in values.items():
            if np.isfinite(value):
                self._log(f'numbers/{name}', self._rerun.Scalars(float(value)))
        if output.reset is not None:
            self._log('events', self._rerun.TextLog(f'stream started anew: {output.reset.value}'))

    def _log_path(self, name: str, positions: list[Float64Array], colour: tuple[int, ...]) -> None:
        if len(positions) > 1:
            strip = self._rerun.LineStrips3D([np.array(positions)], colors=[colour])
            self._log(name, strip, static=True)

    def _log(self, name: str, value: Any, *, static: bool = False) -> None:
        self._stream.log(name, value, static=static)


def _load_rerun() -> Any:
    try:
        import rerun
    except ModuleNotFoundError as error:
        raise DependencyError(f'--rerun needs rerun-sdk, which is missing: {INSTALL}') from error
    return rerun


def _blueprint() -> Any:
    """Return how the viewer shows it at first."""
    import rerun.blueprint as views

    return views.Blueprint(
        views.Horizontal(
            views.Spatial3DView(origin='world', name='from the first camera'),
            views.Vertical(
                views.Spatial2DView(origin='world/camera/image', name='image'),
                views.Spatial2DView(origin='depth', name='depth'),
                views.Spatial2DView(origin='true_depth', name='true depth'),
                views.TimeSeriesView(origin='numbers', name='latency [ms], scale'),
            ),
            column_shares=[3, 2],
        )
    )
