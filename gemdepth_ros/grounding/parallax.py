"""Scale and shift in session units, from corners tracked between two frames of a known motion."""

from __future__ import annotations

import math
from typing import Any, cast

import cv2
import numpy as np

from gemdepth_ros.grounding.config import ParallaxConfig
from gemdepth_ros.grounding.inputs import GroundingInput
from gemdepth_ros.grounding.parallax_pair import FirstFrame, FittedPair, fit_pair, judged
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.interfaces import Float32Array, UInt8Array

WINDOW_PX = (15, 15)
PYRAMID_LEVELS = 3
MAX_TRACK_ERROR = 20.0  # mean grey-value difference of a window
BORDER_PX = 4
CORNER_QUALITY = 0.003  # of the best corner's: roads have weak ones
CORNER_GAP_PX = 8  # at half size
MAX_EDGE_SPREAD = 0.2
AGREEMENT_MEMORY = 0.25  # weight of the newest pair


class ParallaxTracker:
    """Tracks corners from frame to frame; measures when they have moved far enough."""

    def __init__(self, config: ParallaxConfig) -> None:
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._first: FirstFrame | None = None
        self._points: Float32Array = np.empty((0, 2), np.float32)
        self._previous: UInt8Array | None = None
        self._size: tuple[int, ...] = ()
        self.step_flow_px = math.nan
        self._agreement = math.nan

    def read(self, frame: GroundingInput, scene: Scene, factor: float = math.nan) -> Reading:
        """Track into this frame; measure and take a new first frame when the pair is wide.

        Args:
            frame: with image, camera and predicted pose.
            scene: its disparity.
            factor: metres per session unit, as far as others know; NaN when nobody does.
        """
        gray = frame.image_gray
        if gray is None or frame.session_from_camera is None or frame.camera is None:
            self.forget()
            what = 'image' if gray is None else 'predicted pose'
            return Reading(message=f'parallax: no {what} was given')
        if gray.shape != (frame.camera.height, frame.camera.width):
            self.forget()
            return Reading(
                message=f'parallax: the image is {gray.shape[1]}x{gray.shape[0]}, the camera '
                f'{frame.camera.width}x{frame.camera.height}'
            )
        if frame.lost or self._size != gray.shape:
            self._first = None
        self._track(gray)
        self._previous, self._size = gray, gray.shape
        first = self._first
        if first is None or len(self._points) < self._config.min_tracks:
            self._restart(frame, scene, gray)
            return Reading()
        flow = float(np.median(np.linalg.norm(self._points - first.pixels, axis=1)))
        reading = Reading()
        if flow >= self._config.min_flow_px:
            fitted = fit_pair(first, self._points.astype(np.float64), frame, self._config)
            reading = fitted if isinstance(fitted, Reading) else self._judge(fitted, factor)
            self._restart(frame, scene, gray)
        elif (frame.stamp_ns - first.stamp_ns) * 1e-9 > self._config.max_pair_s:
            self._restart(frame, scene, gray)
        return reading

    def _judge(self, pair: FittedPair, factor: float) -> Reading:
        """Refuse where many tracks disagree, now or lately: those that agree may be movers too."""
        config = self._config
        share, count = float(pair.good.mean()), len(pair.good)
        lately = share if math.isnan(self._agreement) else self._agreement
        self._agreement = lately = lately + AGREEMENT_MEMORY * (share - lately)
        if share < config.min_inlier_share or pair.good.sum() < config.min_tracks // 2:
            return Reading(
                message=f'parallax: only {share:.0%} of {count} tracks agree with the predicted '
                'motion and one scale and shift: movers, or the poses are wrong'
            )
        if lately < config.min_inlier_share:
            return Reading(
                message=f'parallax: lately only {lately:.0%} of the tracks agreed with one '
                'another: movers all around, so those that agree now may be movers too'
            )
        return judged(pair, config, factor)

    def _track(self, gray: UInt8Array) -> None:
        """Follow the corners; lost ones are dropped from both ends of the pair."""
        first = self._first
        if first is None or self._previous is None or not len(self._points):
            self.step_flow_px = math.nan
            return
        points, found, error = cv2.calcOpticalFlowPyrLK(
            self._previous,
            gray,
            self._points,
            cast('Any', None),
            winSize=WINDOW_PX,
            maxLevel=PYRAMID_LEVELS,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03),
        )
        height, width = self._size
        inside = (points > BORDER_PX).all(axis=1)
        inside &= (points < np.array([width - BORDER_PX, height - BORDER_PX])).all(axis=1)
        good = inside & (found.ravel() == 1) & (error.ravel() < MAX_TRACK_ERROR)
        step = np.linalg.norm(points[good] - self._points[good], axis=1)
        self.step_flow_px = float(np.median(step)) if len(step) else math.nan
        self._points = points[good]
        self._first = FirstFrame(
            first.stamp_ns,
            first.session_from_camera,
            first.pixels[good],
            first.disparity[good],
            first.tiles[good],
        )

    def _restart(self, frame: GroundingInput, scene: Scene, gray: UInt8Array) -> None:
        """Take this frame as the first of the next pair."""
        pose = frame.session_from_camera
        assert pose is not None
        # Corners are found on half the size: a quarter of the time, and tracked at full size.
        half = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        mask = None
        if not scene.known.all():  # corners of the vehicle itself would take the others' places
            known = scene.known.astype(np.uint8)
            mask = cv2.resize(known, half.shape[::-1], interpolation=cv2.INTER_NEAREST)
        corners: Any = cv2.goodFeaturesToTrack(
            half, self._config.max_corners, CORNER_QUALITY, CORNER_GAP_PX, mask=mask
        )
        if corners is None or not len(corners):
            self._first, self._points = None, np.empty((0, 2), np.float32)
            return
        pixels = (corners.reshape(-1, 2) * 2.0 + 0.5).astype(np.float64)
        column, row = scene.cells(pixels[:, 0], pixels[:, 1])
        disparity = scene.sample(column, row)
        height, width = scene.values.shape
        i = np.clip(np.rint(row), 0, height - 1).astype(np.int64)
        j = np.clip(np.rint(column), 0, width - 1).astype(np.int64)
        good = np.isfinite(disparity) & (scene.edges[i, j] < MAX_EDGE_SPREAD)
        self._first = FirstFrame(
            frame.stamp_ns,
            pose,
            pixels[good],
            disparity[good],
            scene.tiles(row[good], column[good]),
        )
        self._points = pixels[good].astype(np.float32)
