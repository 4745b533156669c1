"""Stands for the network in benchmarks of what is around it: preprocesses, and waits."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import torch

from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.continuity import reset_reason
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.inference.streaming import StreamOutput
from gemdepth_ros.interfaces import ResetReason, VideoFrame, WindowPoses


class StubSession:
    """The state of a stream that has none but its frame numbers."""

    def __init__(self, config: StreamingConfig) -> None:
        self.config = config
        self.reset_counts = dict.fromkeys(ResetReason, 0)
        self.backend, self.backend_fault = 'stub', ''
        self.previous: VideoFrame | None = None
        self.stamps: list[int] = []
        self.rows: torch.Tensor | None = None  # what it answers; made once, the node is measured

    def reset(self, reason: ResetReason = ResetReason.REQUEST) -> None:
        """Forget everything."""
        self.reset_counts[reason] += 1
        self.previous, self.stamps = None, []

    def reconfigure(self, config: StreamingConfig, reason: ResetReason) -> None:
        """Go on with other settings."""
        self.config = config
        self.reset(reason)


class StubNetwork:
    """A road that the camera drives along at 1 unit per frame; disparity grows downwards.

    Args:
        seconds: what a frame takes, beside its preprocessing [s].
    """

    model = None
    trained = True
    weights_description = 'stub'

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def session(self, config: StreamingConfig) -> StubSession:
        """Return the state of a new stream."""
        return StubSession(config)

    def step(self, session: StubSession, frame: VideoFrame) -> StreamOutput:
        """Preprocess the frame as for a network; answer with a plane."""
        reason = reset_reason(session.previous, frame, session.config.max_gap_s)
        if reason is not None:
            session.reset(reason)
        session.previous = replace(frame)
        height, width = network_size(frame.height, frame.width, session.config.input_size)
        preprocess(frame.image_rgb, (height, width))
        if self._seconds:
            time.sleep(self._seconds)
        session.stamps = [*session.stamps, frame.stamp_ns][-session.config.window :]
        if session.rows is None or session.rows.shape != (height, width):
            session.rows = torch.linspace(2.0, 100.0, height)[:, None].expand(height, width)
            session.rows = session.rows.contiguous()
        pose = np.eye(4)
        pose[2, 3] = frame.stamp_ns * 1e-8 % 1e6
        return StreamOutput(
            stamp_ns=frame.stamp_ns,
            disparity_HW=session.rows,
            session_from_camera=pose,
            position_std=0.01,
            rotation_std=0.001,
            lost=reason is not None,
            fov_rad=(math.radians(29), math.radians(81)),
            window=_window(session.stamps, pose),
            interval_ns=0,
            dropped_before=frame.dropped_before,
            age_frames=0,
            segment=0,
            scale=1.0,
            shift=0.0,
            reset=reason,
        )


def _window(stamps: list[int], newest: np.ndarray) -> WindowPoses:
    poses = np.tile(np.eye(4), (len(stamps), 1, 1))
    poses[:, 2, 3] = [(stamp - stamps[0]) * 1e-8 for stamp in stamps]
    reference = newest.copy()
    reference[2, 3] -= poses[-1, 2, 3]
    return WindowPoses(tuple(stamps), poses, reference, 1.0)
