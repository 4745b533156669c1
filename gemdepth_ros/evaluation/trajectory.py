"""Motion of the camera against the truth: ATE and RPE by the evo library, KITTI's own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gemdepth_ros.errors import DependencyError
from gemdepth_ros.evaluation.kitti_motion import path_distances, segment_errors
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.evaluation.result import PoseErrors, TrajectoryResult
from gemdepth_ros.interfaces import Float64Array

if TYPE_CHECKING:
    from evo.core.trajectory import PosePath3D

MIN_POSES = 3
NO_EVO = 'ATE and RPE need evo: pip install evo'


class TrajectoryScorer:
    """Collect the poses of a sequence (two matrices per frame) and compare them."""

    def __init__(self) -> None:
        self._stamps_ns: list[int] = []
        self._estimated: list[Float64Array] = []
        self._true: list[Float64Array] = []
        self._metric: list[bool] = []
        self._lost = 0

    def add(self, record: FrameRecord) -> None:
        """Take one frame; without both poses it does not count."""
        if record.world_from_camera is None or record.own_from_camera is None:
            return
        self._stamps_ns.append(record.stamp_ns)
        self._true.append(record.world_from_camera)
        self._estimated.append(record.own_from_camera)
        self._metric.append(record.own_metric)
        self._lost += record.lost

    def result(self) -> tuple[TrajectoryResult | None, tuple[str, ...]]:
        """Return the comparison, or None; and notes on what was not possible.

        Raises:
            DependencyError: evo is not installed.
        """
        if len(self._true) < MIN_POSES:
            return None, ()
        metric = sum(self._metric) >= MIN_POSES
        used = np.array(self._metric) if metric else ~np.array(self._metric)
        notes: list[str] = []
        if not used.all():
            # Metres begin when grounding has seen enough; two units are no one trajectory.
            notes.append(
                f'trajectory: the {int((~used).sum())} of {len(used)} frames whose poses are '
                f'{"not in metres" if metric else "in metres"} are left out'
            )
        true, estimated = np.stack(self._true)[used], np.stack(self._estimated)[used]
        if len(true) < MIN_POSES:
            return None, tuple(notes)
        aligned = [_align(estimated, true, with_scale=True)]
        if metric:
            aligned.insert(0, _align(estimated, true, with_scale=False))
        notes += [item.note for item in aligned if item.note]
        best = aligned[-1]
        judged = estimated if metric else best.poses
        relative = segment_errors(judged, true)
        path_m = float(path_distances(true[:, :3, 3])[-1])
        if not relative.segments:
            notes.append(f'the true path of {path_m:.1f} m is too short for t_rel and r_rel')
        return TrajectoryResult(
            frames=len(true),
            path_m=path_m,
            metric=metric,
            lost=self._lost,
            errors=tuple(item.errors for item in aligned),
            t_rel_percent=100.0 * relative.translation,
            r_rel_deg_per_m=relative.rotation_deg_per_m,
            lengths_m=relative.lengths_m,
            scaled=not metric,
            stamps_ns=tuple(np.array(self._stamps_ns)[used].tolist()),
            estimated_m=_positions(aligned[0].poses),
            true_m=_positions(true),
            plotted_alignment=aligned[0].errors.alignment,
        ), tuple(notes)


class _Aligned:
    """An estimate moved onto the truth, and what remains."""

    def __init__(self, poses: Float64Array, errors: PoseErrors, note: str) -> None:
        self.poses, self.errors, self.note = poses, errors, note


def _align(estimated: Float64Array, true: Float64Array, *, with_scale: bool) -> _Aligned:
    path, reference = _evo_path(estimated), _evo_path(true)
    name, note = 'Sim(3)' if with_scale else 'SE(3)', ''
    scale = 1.0
    try:
        from evo.core.geometry import GeometryException

        if np.ptp(estimated[:, :3, 3], axis=0).max() <= 0:
            raise GeometryException('the estimate never moves')
        _, _, found = path.align(reference, correct_scale=with_scale)
        scale = float(found)
    except GeometryException as error:
        # On a straight line or a spot the rotation is not determined by positions.
        note = f'{name} alignment by the first pose instead of all: {" ".join(str(error).split())}'
        name += ', first pose'
        scale = _length_ratio(estimated, true) if with_scale else 1.0
        path.scale(scale)
        path.align_origin(reference)
    errors = _errors(path, reference, name, scale)
    return _Aligned(np.stack(path.poses_se3), errors, note)


def _length_ratio(estimated: Float64Array, true: Float64Array) -> float:
    own = float(path_distances(estimated[:, :3, 3])[-1])
    return float(path_distances(true[:, :3, 3])[-1]) / own if own > 0 else 1.0


def _errors(path: PosePath3D, reference: PosePath3D, name: str, scale: float) -> PoseErrors:
    from evo.core.metrics import APE, RPE, PoseRelation, Unit

    def statistics(metric: Any) -> dict[str, float]:
        metric.process_data((reference, path))
        found: dict[str, float] = metric.get_all_statistics()
        return found

    absolute = statistics(APE(PoseRelation.translation_part))
    steps = {'delta': 1.0, 'delta_unit': Unit.frames, 'all_pairs': False}
    translation = statistics(RPE(PoseRelation.translation_part, **steps))
    rotation = statistics(RPE(PoseRelation.rotation_angle_deg, **steps))
    return PoseErrors(
        alignment=name,
        scale=scale,
        ate_rmse_m=float(absolute['rmse']),
        ate_mean_m=float(absolute['mean']),
        ate_max_m=float(absolute['max']),
        rpe_translation_rmse_m=float(translation['rmse']),
        rpe_rotation_rmse_deg=float(rotation['rmse']),
    )


def _evo_path(poses: Float64Array) -> PosePath3D:
    try:
        from evo.core.trajectory import PosePath3D
    except ImportError as error:
        raise DependencyError(NO_EVO) from error
    return PosePath3D(poses_se3=list(poses))


def _positions(poses: Float64Array) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in poses[:, :3, 3])
