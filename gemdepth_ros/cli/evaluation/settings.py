"""What a user may choose for an evaluation. Light: the parser and worker processes read it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gemdepth_ros.errors import ConfigError

PROTOCOL_NAMES = ('metric', 'vda', 'per_frame', 'median')
CROP_NAMES = ('none', 'garg', 'eigen')
MODES = ('sliding', 'causal', 'published_stream', 'offline')
AUTO, NONE = 'auto', 'none'


@dataclass(frozen=True)
class EvaluationSettings:
    """Everything that the figures depend on, besides the source.

    Attributes:
        ground_truth: ``auto`` (what the source holds), ``none``, topics of a bag, folders of depth
            maps, files of poses.
        masks: folder or topic of masks of moving objects (not black: moves); empty: none.
        depth_factor: values per metre of 16-bit depth maps in a folder; 0: 5000 for TUM, else 256.
        tolerance_ms: largest difference of stamps that still belongs together [ms].
        protocols: names, in the order of the report.
        crop: ``none``, ``garg`` or ``eigen``.
        min_depth_m: truth at or below it does not count [m].
        max_depth_m: truth at or beyond it does not count, predictions are cut there [m].
        mode: ``sliding``, ``causal``, ``published_stream`` or ``offline``.
        window: frames per window.
        input_size: size parameter of the network's input [px].
        weights: file or name; empty: seeded random weights.
        preset: network.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        simulated_latency_ms: drop frames as a node of this latency would [ms]; 0: none.
        topic: image topic of a bag; empty: the only one.
        camera: number of KITTI's camera; None: left colour, or what there is.
        rate_hz: of a video or a folder of images; None: its own, or 10.
        intrinsics: fx, fy, cx, cy of the images; None: the source's.
        max_frames: stop after so many frames of the source; None: all.
        overrides: ``section.field=value`` of the pipeline's configuration.
        samples: sample frames kept for pictures.
        checkpoint_s: time between saved states, from which a killed evaluation goes on [s]; 0: a
            state after every frame.
    """

    ground_truth: tuple[str, ...] = (AUTO,)
    masks: str = ''
    depth_factor: float = 0.0
    tolerance_ms: float = 20.0
    protocols: tuple[str, ...] = PROTOCOL_NAMES
    crop: str = 'none'
    min_depth_m: float = 1e-3
    max_depth_m: float = 80.0
    mode: str = 'sliding'
    window: int = 8
    input_size: int = 518
    weights: str = ''
    preset: str = 'auto'
    device: str = 'auto'
    dtype: str = 'auto'
    simulated_latency_ms: float = 0.0
    topic: str = ''
    camera: int | None = None
    rate_hz: float | None = None
    intrinsics: tuple[float, float, float, float] | None = None
    max_frames: int | None = None
    overrides: tuple[str, ...] = ()
    samples: int = 6
    checkpoint_s: float = 30.0

    def __post_init__(self) -> None:
        _check_choice('mode', (self.mode,), MODES)
        _check_choice('crop', (self.crop,), CROP_NAMES)
        _check_choice('protocol', self.protocols, PROTOCOL_NAMES)
        for name in ('tolerance_ms', 'simulated_latency_ms', 'depth_factor', 'checkpoint_s'):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f'{name} must be >= 0, got {value}')
        if self.mode == 'offline' and self.simulated_latency_ms:
            raise ConfigError('offline windows have no latency: --simulate-latency needs a stream')
        words = set(self.ground_truth)
        if words & {AUTO, NONE} and len(words) > 1:
            raise ConfigError(f'--ground-truth {" ".join(words)}: auto and none stand alone')

    @property
    def tolerance_ns(self) -> int:
        """``tolerance_ms`` [ns]."""
        return round(self.tolerance_ms * 1e6)


def _check_choice(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    wrong = [name for name in given if name not in known]
    if wrong or not given:
        raise ConfigError(f'{what} must be one of {", ".join(known)}, got {wrong or "nothing"}')
