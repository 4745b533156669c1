"""The figures of one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gemdepth_ros.evaluation.report.figures import (
    DistanceError,
    Path,
    calibration,
    error_by_distance,
    from_above,
    latency_histogram,
)
from gemdepth_ros.evaluation.report.page import Figure
from gemdepth_ros.evaluation.report.series import Series, over_time
from gemdepth_ros.evaluation.report.theme import COLOURS, new_figure
from gemdepth_ros.evaluation.result import EvaluationResult, ProtocolResult, TrajectoryResult
from gemdepth_ros.interfaces import Float64Array

Coordinate = Callable[[Float64Array], Float64Array]


def start_ns(result: EvaluationResult) -> int:
    """Return the first stamp that anything in the result has [ns]; 0 without any."""
    stamps = [p.frames[0].stamp_ns for p in result.protocols if p.frames]
    if result.scale is not None and result.scale.frames:
        stamps.append(result.scale.frames[0].stamp_ns)
    if result.trajectory is not None and result.trajectory.stamps_ns:
        stamps.append(result.trajectory.stamps_ns[0])
    stamps += [item.stamps_ns[0] for item in result.temporal if item.stamps_ns]
    return min(stamps, default=0)


def figures(result: EvaluationResult) -> Iterator[Figure]:
    """Yield what can be drawn of a result."""
    with_frames = [item for item in result.protocols if item.frames]
    if with_frames:
        yield _error_over_time(result, with_frames)
    with_bins = [item for item in result.protocols if item.by_distance]
    if with_bins:
        yield _error_by_distance(with_bins)
    if any(item.values for item in result.temporal):
        yield _consistency(result)
    if result.scale is not None and result.scale.frames:
        yield from _scale(result)
    if result.trajectory is not None and result.trajectory.true_m:
        yield _trajectory(result.trajectory)
    if result.calibration is not None and result.calibration.within:
        yield _calibration(result)
    if with_frames and with_frames[0].bands:
        yield _bands(with_frames[0])
    if result.timing.latency_ms:
        yield _latency(result)


def abs_rel_series(protocol: ProtocolResult, origin_ns: int, name: str | None = None) -> Series:
    """Return the AbsRel of a protocol over time [s], in percent."""
    return Series(
        name or f'“{protocol.name}”',
        seconds([frame.stamp_ns for frame in protocol.frames], origin_ns),
        np.array([100 * frame.errors.abs_rel for frame in protocol.frames]),
    )


def seconds(stamps_ns: list[int] | tuple[int, ...], origin_ns: int) -> Float64Array:
    """Return stamps as seconds after ``origin_ns``."""
    return np.array([(stamp - origin_ns) / 1e9 for stamp in stamps_ns], float)


def _error_over_time(result: EvaluationResult, protocols: list[ProtocolResult]) -> Figure:
    origin = start_ns(result)
    series = [abs_rel_series(item, origin) for item in protocols]
    ends = np.array([series[0].x[0], series[0].x[-1]])
    for item in protocols[0].baselines:
        name = f'no skill: {item.name.replace("_", " ")}'
        series.append(Series(name, ends, np.full(2, 100 * item.mean.abs_rel), baseline=True))
    resets = seconds([item.stamp_ns for item in result.resets], origin)
    figure = over_time(series, 'AbsRel [%]', {'stream started anew': resets})
    figure.update_yaxes(rangemode='tozero')
    caption = (
        'Mean over the pixels with truth of each frame. Grey: the mean of predictions without '
        f'skill under protocol “{protocols[0].name}”.'
    )
    return Figure('error-over-time', 'Error over time', figure, caption)


def _error_by_distance(protocols: list[ProtocolResult]) -> Figure:
    runs = [
        DistanceError(
            f'“{item.name}”',
            np.array([b.near_m for b in item.by_distance] + [item.by_distance[-1].far_m]),
            np.array([100 * b.abs_rel for b in item.by_distance]),
        )
        for item in protocols
    ]
    pixels = np.array([b.pixels for b in protocols[0].by_distance], float)
    return Figure(
        'error-by-distance',
        'Error by distance',
        error_by_distance(runs, 'AbsRel [%]', pixels),
        'Pixels of all frames by their true depth; bars: what share of them lies there.',
    )


def _consistency(result: EvaluationResult) -> Figure:
    origin = start_ns(result)
    series = [
        Series(f'{item.name.replace("_", " ")} ({item.depth})', t, np.array(item.values))
        for item in result.temporal
        if item.values
        for t in [seconds(item.stamps_ns, origin)]
    ]
    figure = over_time(series, 'difference between frames [%]')
    figure.update_yaxes(rangemode='tozero')
    caption = 'Depth of one frame, carried into the next by the camera’s motion, against its own.'
    return Figure('consistency', 'Consistency over time', figure, caption)


def _scale(result: EvaluationResult) -> Iterator[Figure]:
    assert result.scale is not None
    frames = result.scale.frames
    x = seconds([frame.stamp_ns for frame in frames], start_ns(result))
    ratio = np.array([frame.depth_ratio for frame in frames])
    if np.isfinite(ratio).any():
        spread = np.array([frame.depth_spread for frame in frames])
        figure = over_time(
            [
                Series('exact', np.array([x[0], x[-1]]), np.ones(2), baseline=True),
                Series('predicted / true, median', x, ratio, std=ratio * spread),
            ],
            'predicted / true depth',
        )
        caption = (
            f'Depth: {result.scale.depth}. The band is the spread over the pixels of a frame '
            '(one standard deviation).'
        )
        yield Figure('depth-ratio', 'Depth against truth over time', figure, caption)
    stated = np.array([frame.stated_scale for frame in frames])
    if np.isfinite(stated).any():
        std = np.array([frame.stated_scale_std for frame in frames])
        fitted = np.array([frame.fitted_scale for frame in frames])
        figure = over_time(
            [
                Series('stated by grounding', x, stated, std=std),
                Series('fits the frame’s truth best', x, fitted),
            ],
            'scale s [m · disparity]',
        )
        caption = 'Z = s / (disparity − shift). The band is what grounding states about itself.'
        yield Figure('scale', 'Scale and its band over time', figure, caption)


def _trajectory(trajectory: TrajectoryResult) -> Figure:
    true, own = np.array(trajectory.true_m, float), np.array(trajectory.estimated_m, float)
    right, forward, names = plan_axes(true)
    paths = [Path('truth', right(true), forward(true), truth=True)]
    if len(own):
        paths.append(Path('estimate', right(own), forward(own)))
    figure = from_above(paths)
    figure.update_xaxes(title_text=names[0])
    figure.update_yaxes(title_text=names[1])
    caption = f'Alignment of the estimate: {trajectory.plotted_alignment}.'
    return Figure('trajectory', 'Trajectory from above', figure, caption)


def plan_axes(positions: Float64Array) -> tuple[Coordinate, Coordinate, tuple[str, str]]:
    """Return what is drawn to the right and upwards, and the names of both.

    A world's axes are x forward, y left, z up (ROS) or x right, y down, z forward (a camera's, as
    KITTI's pose files have them); the vertical one is that along which a vehicle moves least.

    Args:
        positions: float64 [N, 3] in that world [m].
    """
    extent = np.ptp(positions, axis=0)
    if extent[1] < extent[2]:
        return lambda p: p[:, 0], lambda p: p[:, 2], ('x, to the right [m]', 'z, forward [m]')
    return lambda p: -p[:, 1], lambda p: p[:, 0], ('−y, to the right [m]', 'x, forward [m]')


def _calibration(result: EvaluationResult) -> Figure:
    assert result.calibration is not None
    found = result.calibration
    figure = calibration(
        'stated deviation of depth',
        np.array([point.nominal for point in found.within]),
        np.array([point.observed for point in found.within]),
    )
    caption = (
        'Below the diagonal: too sure. Root mean square of error / stated deviation: '
        f'{found.rms_z:.2f} (1 is right). Mean stated {100 * found.mean_stated_relative:.1f} %, '
        f'mean error {100 * found.mean_actual_relative:.1f} %, {found.pixels:,} pixels.'
    )
    return Figure('calibration', 'Calibration of the uncertainty', figure, caption)


def _bands(protocol: ProtocolResult) -> Figure:
    figure = new_figure('band of frequency, slow to fast', 'share of the mean error [%]')
    for index, item in enumerate(protocol.bands):
        if item.mean > 0:
            figure.add_bar(
                x=[f'F{k + 1}' for k in range(len(item.bands))],
                y=100 * np.array(item.bands) / item.mean,
                name=item.metric,
                marker={'color': COLOURS[index % len(COLOURS)]},
                hovertemplate='%{y:.2f} %',
            )
    caption = (
        f'How strongly the error of protocol “{protocol.name}” changes over time: F1 over the '
        'whole recording, F10 from frame to frame. Bands of this package, not of other papers.'
    )
    return Figure('frequency', 'Error by frequency', figure, caption)


def _latency(result: EvaluationResult) -> Figure:
    values = np.array(result.timing.latency_ms)
    return Figure(
        'latency',
        'Latency',
        latency_histogram({'time in the pipeline': values}),
        f'Of {len(values)} frames on {result.system.device or "an unknown device"}, in replay; '
        'the last bar holds everything slower.',
    )
