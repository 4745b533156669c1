"""What the writers need of a predictor's result; no import of the predictor."""

from __future__ import annotations

from typing import Protocol

from gemdepth_ros.interfaces import Float32Array, Float64Array


class StreamedFrame(Protocol):
    """A predictor's result for one frame; read-only."""

    @property
    def index(self) -> int:
        """0-based number of the frame."""

    @property
    def disparity(self) -> Float32Array:
        """Affine-invariant disparity, float32 [H, W]."""

    @property
    def camera_from_world(self) -> Float64Array:
        """Pose, float64 [4, 4]."""

    @property
    def intrinsics(self) -> Float64Array:
        """Predicted intrinsics, float64 [3, 3], pixels of the frame."""

    @property
    def window(self) -> int:
        """Number of the window that the pose comes from."""
