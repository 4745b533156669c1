"""Consistency over time: TAE along true poses, self-consistency along own ones, flicker."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

from gemdepth_ros.evaluation.metrics import TemporalAlignment
from gemdepth_ros.evaluation.metrics.tae import alignment_error, exchanged_depths, landed_share
from gemdepth_ros.evaluation.records import FrameRecord, Records
from gemdepth_ros.evaluation.result import FlickerScore, TemporalScore
from gemdepth_ros.evaluation.views import DepthView
from gemdepth_ros.geometry.se3 import inverse
from gemdepth_ros.interfaces import Float64Array

STILL_STEP_M = 0.02
STILL_TURN_RAD = math.radians(0.1)
SEARCH_PAIRS = 12
SEARCH_WIDTH = 160  # columns of the maps that the search for a factor looks at
SEARCH_REACH = math.log(1e4)
MIN_LANDED_SHARE = 0.5  # of a frame's pixels that its neighbour must see for a factor to count
LOST_PAIR_ERROR = 1.0


class AlignmentScorer:
    """TAE over records.

    Args:
        name: of the score.
        view: which depth.
        own: along own poses instead of true ones.
        factor: on the translations of own poses.
        own_metric: which own poses count: those in metres, or the others.
    """

    def __init__(
        self,
        name: str,
        view: DepthView,
        *,
        own: bool = False,
        factor: float = 1.0,
        own_metric: bool = True,
    ) -> None:
        self._name, self._view, self._own, self._factor = name, view, own, factor
        self._own_metric = own_metric
        self._measure: TemporalAlignment | None = None
        self._stamps_ns: list[int] = []
        self._values: list[float] = []

    def add(self, record: FrameRecord) -> None:
        """Take the next frame; one without depth or pose breaks the chain."""
        depth = self._view.depth(record)
        pose = record.own_from_camera if self._own else record.world_from_camera
        if self._own and record.own_metric != self._own_metric:
            pose = None
        if self._measure is None:
            self._measure = TemporalAlignment(record.matrix)
        if depth is None or pose is None:
            self._measure.forget()
            return
        if self._own and (record.lost or record.reset):
            self._measure.forget()
        error = self._measure.add(depth, _scaled(pose, self._factor))
        if error is not None:
            self._stamps_ns.append(record.stamp_ns)
            self._values.append(100.0 * error)

    def result(self) -> TemporalScore | None:
        """Return the score, or None when there was no pair."""
        if not self._values:
            return None
        return TemporalScore(
            self._name,
            self._view.words,
            float(np.mean(self._values)),
            len(self._values),
            tuple(self._stamps_ns),
            tuple(self._values),
            self._factor if self._own and not self._view.metres else math.nan,
        )


class FlickerScorer:
    """Change of depth between frames at which the true pose hardly differs."""

    def __init__(self, view: DepthView) -> None:
        self._view = view
        self._last: tuple[Float64Array, Float64Array] | None = None
        self._means: list[float] = []
        self._medians: list[float] = []

    def add(self, record: FrameRecord) -> None:
        """Take the next frame."""
        depth, pose = self._view.depth(record), record.world_from_camera
        last, self._last = self._last, None
        if depth is None or pose is None:
            return
        self._last = depth, pose
        if last is None or not stands_still(last[1], pose):
            return
        with np.errstate(invalid='ignore'):
            change = np.abs(np.log(depth / last[0]))
        known = change[np.isfinite(change)]
        if known.size:
            self._means.append(100.0 * float(known.mean()))
            self._medians.append(100.0 * float(np.median(known)))

    def result(self) -> FlickerScore | None:
        """Return the score, or None when the camera never stood still."""
        if not self._means:
            return None
        mean, median = float(np.mean(self._means)), float(np.mean(self._medians))
        return FlickerScore(self._view.words, len(self._means), mean, median, STILL_STEP_M)


def stands_still(world_from_first: Float64Array, world_from_second: Float64Array) -> bool:
    """Return whether two poses are one, up to the noise of good odometry."""
    step = inverse(world_from_first) @ world_from_second
    turn = math.acos(float(np.clip((np.trace(step[:3, :3]) - 1) / 2, -1, 1)))
    return float(np.linalg.norm(step[:3, 3])) <= STILL_STEP_M and turn <= STILL_TURN_RAD


def fitted_factor(store: Records, view: DepthView, *, own_metric: bool = False) -> float | None:
    """Return the factor on own translations under which own depth agrees best with itself.

    Relative depth and own translations have units of their own. The factor is searched over eight
    decades on evenly spaced pairs of thinned maps. One that moves most of the pixels out of the
    image is none: what nobody sees contradicts nothing.

    Args:
        store: the records.
        view: which depth.
        own_metric: which own poses count: those in metres, or the others.

    Returns:
        None where no pair has own poses; NaN where under every factor less than
        `MIN_LANDED_SHARE` of each pair's pixels stays in the image.
    """
    pairs = _search_pairs(store, view, own_metric)
    if not pairs:
        return None

    def error(log_factor: float) -> float:
        return _mean_error(pairs, math.exp(log_factor))

    grid = np.linspace(-SEARCH_REACH, SEARCH_REACH, 33)
    best = float(grid[int(np.argmin([error(float(value)) for value in grid]))])
    step = float(grid[1] - grid[0])
    found = minimize_scalar(
        error, bounds=(best - step, best + step), method='bounded', options={'xatol': 1e-3}
    )
    factor = math.exp(float(found.x) if found.fun < error(best) else best)
    lost = all(math.isnan(_pair_error(pair, factor)) for pair in pairs)
    return math.nan if lost else factor


_Thinned = tuple[Float64Array, Float64Array, Float64Array]
_Pair = tuple[_Thinned, _Thinned]


def _search_pairs(store: Records, view: DepthView, own_metric: bool) -> list[_Pair]:
    numbers = np.unique(np.linspace(0, max(len(store) - 2, 0), SEARCH_PAIRS).astype(int))
    pairs = []
    for number in numbers.tolist() if len(store) > 1 else ():
        first, second = store.read(number), store.read(number + 1)
        if second.lost or second.reset:
            continue
        if not first.own_metric == second.own_metric == own_metric:
            continue
        thinned = _thinned(first, view), _thinned(second, view)
        if thinned[0] is not None and thinned[1] is not None:
            pairs.append((thinned[0], thinned[1]))
    return pairs


def _thinned(record: FrameRecord, view: DepthView) -> _Thinned | None:
    depth, pose = view.depth(record), record.own_from_camera
    if depth is None or pose is None:
        return None
    step = max(depth.shape[1] // SEARCH_WIDTH, 1)
    matrix = record.matrix / step
    matrix[2, 2] = 1.0
    return depth[::step, ::step], pose, matrix


def _mean_error(pairs: list[_Pair], factor: float) -> float:
    """Return the mean error of pairs; one that leaves the image counts as wholly wrong."""
    errors = np.array([_pair_error(pair, factor) for pair in pairs])
    # No pair that is seen may be worse than one that is not, or throwing it out would pay.
    return float(np.fmin(errors, LOST_PAIR_ERROR).mean())


def _pair_error(pair: _Pair, factor: float) -> float:
    """Return the pair's error as TAE has it, or NaN where too little lands either way."""
    (before, world_from_before, matrix), (now, world_from_now, _) = pair
    now_from_before = inverse(_scaled(world_from_now, factor)) @ _scaled(world_from_before, factor)
    forward, backward = exchanged_depths(before, now, matrix, now_from_before)
    if min(landed_share(forward, now), landed_share(backward, before)) < MIN_LANDED_SHARE:
        return math.nan
    return (alignment_error(forward, now) + alignment_error(backward, before)) / 2


def _scaled(pose: Float64Array, factor: float) -> Float64Array:
    scaled = pose.copy()
    scaled[:3, 3] *= factor
    return scaled
