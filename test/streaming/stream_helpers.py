"""Networks whose every branch matters, video frames, and the dense oracle."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gemdepth_ros.inference.causal import Entry
from gemdepth_ros.inference.encoded import EncodedFrame, StreamGrid
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepth, GemDepthConfig, GemDepthOutput, build_gemdepth
from gemdepth_ros.model.checkpoint import checkpoint_layout

sys.path.insert(0, str(Path(__file__).parents[1] / 'data' / 'golden'))
import golden_inputs
import golden_weights

FRAME_NS = 100_000_000
# Two orders of summation of the same thing. In float64 the same code leaves no room for a small
# systematic difference that rounding could excuse.
DISPARITY_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
POSE_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-13}


def lively_model(config: GemDepthConfig, dtype: torch.dtype = torch.float32) -> GemDepth:
    """The network on the golden synthetic weights: no gain is small, no branch is silent."""
    layout = checkpoint_layout(config)
    weights = golden_weights.generate([(name, shape) for name, (_, shape) in layout.used.items()])
    return build_gemdepth(config, weights, dtype=dtype)


def say(text: str) -> None:
    """Print a measured figure; pytest shows it with ``-s``."""
    sys.stdout.write(f'\n{text}\n')


def clip(frames: int, size: tuple[int, int], seed: int = 3) -> Tensor:
    """Normalised moving images, float32 [T, 3, H, W]."""
    video = golden_inputs.clip(frames, *size, seed)
    return torch.from_numpy(golden_inputs.normalised(video))


def images(frames: int, size: tuple[int, int], seed: int = 3) -> np.ndarray:
    """Moving images, uint8 [T, H, W, 3]."""
    return golden_inputs.clip(frames, *size, seed)


def video_frames(
    images_THWC: np.ndarray, start_ns: int = 0, step_ns: int = FRAME_NS, frame_id: str = 'camera'
) -> list[VideoFrame]:
    """Frames at a steady rate."""
    return [
        VideoFrame(image, start_ns + i * step_ns, frame_id) for i, image in enumerate(images_THWC)
    ]


def encode(model: GemDepth, clip_T3HW: Tensor) -> list[EncodedFrame]:
    """Each frame encoded by itself, as a stream does."""
    return [
        EncodedFrame(number, tuple(model.encode(image[None])))
        for number, image in enumerate(clip_T3HW)
    ]


def deviation(actual: Tensor, expected: Tensor) -> float:
    """Relative L2 distance."""
    actual, expected = actual.double(), expected.double()
    return float((actual - expected).norm() / expected.norm())


class Drive:
    """A model, a clip, and the clip's frames as a stream sees them."""

    def __init__(self, model: GemDepth, frames: int, size: tuple[int, int]) -> None:
        with torch.inference_mode():
            self.model = model
            self.clip = clip(frames, size).to(model.dtype)
            self.frames = encode(model, self.clip)
            self.grid = StreamGrid.of(model, size)

    def dense(self, numbers: Sequence[int], *, frame_causal: bool = False) -> GemDepthOutput:
        """The whole network on the frames of a window, all at once."""
        return self.model(self.clip[list(numbers)][None], frame_causal=frame_causal)

    def check_disparity(self, actual_HW: Tensor, expected_HW: Tensor, what: object) -> None:
        """Fail unless two maps are equal up to rounding."""
        error = deviation(actual_HW, expected_HW)
        assert error < DISPARITY_TOLERANCE[self.model.dtype], f'{what}: disparity off by {error}'

    def check_poses(self, actual_T9: Tensor, expected_T9: Tensor, what: object) -> None:
        """Fail unless two lists of pose encodings are equal up to rounding."""
        error = deviation(actual_T9, expected_T9)
        assert error < POSE_TOLERANCE[self.model.dtype], f'{what}: poses off by {error}'


def held_tensors(*roots: object, outside: Sequence[object] = ()) -> dict[int, Tensor]:
    """Every tensor that can be reached from objects through attributes and containers.

    Networks are not entered, nor is what can be reached from ``outside``. Keyed by storage, so
    that two views of one buffer count once.
    """
    seen = {id(thing) for thing in outside}
    found: dict[int, Tensor] = {}
    stack: list[object] = list(roots)
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, nn.Module | type | np.ndarray | str | bytes):
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            found.setdefault(thing.untyped_storage().data_ptr(), thing)
        else:
            stack.extend(_parts(thing))
    return found


def _parts(thing: object) -> Iterator[object]:
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from thing
    else:
        yield from getattr(thing, '__dict__', {}).values()
        for kind in type(thing).__mro__:
            for name in getattr(kind, '__slots__', ()):
                if hasattr(thing, name):
                    yield getattr(thing, name)


def storage_bytes(tensors: dict[int, Tensor]) -> int:
    """Memory of the buffers behind tensors [byte]."""
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors.values())


def place_without_computing(_: object, entries: Sequence[Entry]) -> list[None]:
    """A stand-in for ``causal.take_poses``: frames take their slots and nothing is computed."""
    for entry in entries:
        del entry.segment.numbers[entry.slot :]
        entry.segment.numbers.append(entry.number)
    return [None] * len(entries)
