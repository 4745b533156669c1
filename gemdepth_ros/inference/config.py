"""Window and stream settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.ranges import ABOVE_ZERO, Ranges

StreamMode = Literal['sliding', 'causal', 'published_stream']
WindowAlignment = Literal['auto', 'published', 'checked', 'none']
Preprocessing = Literal['auto', 'host', 'device']
CachePrecision = Literal['auto', 'float32', 'bfloat16', 'float16']
Backend = Literal['eager', 'compile', 'cudagraph', 'onnx', 'tensorrt']
MAX_WINDOW = 32
MAX_BUDGET_GB = 1024


@dataclass(frozen=True)
class WindowConfig:
    """Windows of the published offline inference.

    Attributes:
        length: frames per window.
        key_slots: slots of a window that become the first slots of the next one.
        blend: frames over which neighbouring windows are blended.
        alignment: how the next window's maps are brought to the scale of those before it:
            ``published`` (float32 sums, any result taken), ``checked`` (float64; a fit that is
            inverted or flat is refused and the one before it goes on), ``none`` (metres need
            none), ``auto``: as published for GemDepth, checked for Video Depth Anything, none for
            its metric weights.
    """

    length: int = 32
    key_slots: tuple[int, ...] = (0, 12, 24, 25, 26, 27, 28, 29, 30, 31)
    blend: int = 8
    alignment: WindowAlignment = 'auto'

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_WINDOW:
            raise ConfigError(f'window length must be 1..{MAX_WINDOW}, got {self.length}')
        if self.alignment not in get_args(WindowAlignment):
            raise ConfigError(
                f'alignment must be one of {", ".join(get_args(WindowAlignment))}, '
                f'got {self.alignment!r}'
            )
        if self.overlap != 2 + self.blend or self.blend < 1 or self.overlap >= self.length:
            raise ConfigError(
                f'a window of {self.length} needs 2 + blend key slots and fewer than its length, '
                f'got {self.overlap} key slots and blend {self.blend}'
            )
        tail = tuple(range(self.length - self.blend, self.length))
        # A later window's first two slots hold old frames: its middle must be one of the others.
        middle_fits = 2 <= self.key_slots[1] < tail[0]
        if self.key_slots[0] != 0 or not middle_fits or self.key_slots[2:] != tail:
            raise ConfigError(
                f'key slots must be 0, a middle slot and the last {self.blend}, '
                f'got {self.key_slots}'
            )

    @property
    def overlap(self) -> int:
        """Frames that a window takes over from the previous one."""
        return len(self.key_slots)

    @property
    def step(self) -> int:
        """New frames per window."""
        return self.length - self.overlap

    @classmethod
    def preset(cls, length: int) -> WindowConfig:
        """Return the published setting for windows of 32, 16 or 8 frames."""
        if length not in WINDOW_PRESETS:
            raise ConfigError(f'no window preset of {length} frames; known: 32, 16, 8')
        return WINDOW_PRESETS[length]


WINDOW_PRESETS = {
    32: WindowConfig(),
    16: WindowConfig(16, (0, 6, 12, 13, 14, 15), 4),
    8: WindowConfig(8, (0, 3, 6, 7), 2),
}


@dataclass(frozen=True)
class StreamingConfig:
    """How a stream of frames is turned into windows.

    Attributes:
        mode: ``sliding`` evaluates anchor + most recent frames anew at each frame; ``causal``
            computes every frame once, from what it kept of earlier ones; ``published_stream``
            is the streaming that the authors of Video Depth Anything published, for comparison:
            what ``causal`` gives for that network, at its published cost (window 32).
        window: frames per window (sliding) or segment (causal), 1..32.
        input_size: size parameter of the resize rule [px]; 518 is the published value.
        max_gap_s: a longer pause between two frames starts the stream anew [s].
        anchor_max_age: the pinned first frame is replaced when it is older than this many frames;
            at least window * stride.
        anchor_min_overlap: ... or when it shares less than this part of the present view, 0..1.
        lookahead: sliding mode: answer each frame this many frames later, having seen them; a
            live pipeline, as the node's, takes 0 only.
        stride: only every n-th frame stays in the window, so that it spans n times the time.
        alignment_memory: causal mode: kept frames over which the scale and shift that join
            segments decay to the network's own, which keeps them bounded; at most the new frames
            of eight segments.
        preprocessing: where images are resized and normalised: ``host`` (OpenCV), ``device``
            (equal to rounding), or ``auto``: on a GPU there, else here.
        cache_precision: of what a stream keeps of earlier frames: ``auto`` (the network's),
            ``float32``, ``bfloat16`` or ``float16``; half precision halves a session's memory.
        memory_budget_gb: memory of the board or card; mode, window and (up to ``input_size``)
            the input size are then chosen to fit at the first image [GB]; 0: as configured.
        backend: causal mode: what computes the answered step and the encoder. ``eager``;
            ``compile`` (torch.compile), ``cudagraph``, ``onnx`` (ONNX Runtime), ``tensorrt``: each
            is run beside eager on a stream's first frames and refused when it differs.
        backend_check_frames: how many frames that is.
        backend_tolerance: largest relative L2 difference from eager; 0: 0.002 in float32, 0.03 in
            half precision.
        engine_folder: where exported graphs lie, or are put; empty: in the cache.
    """

    RANGES: ClassVar[Ranges] = {
        'window': (1, MAX_WINDOW),
        'input_size': (14, None),
        'max_gap_s': (ABOVE_ZERO, None),
        'anchor_max_age': (1, None),
        'anchor_min_overlap': (0.0, 1.0),
        'lookahead': (0, MAX_WINDOW - 2),
        'stride': (1, None),
        'alignment_memory': (1, None),
        'memory_budget_gb': (0.0, MAX_BUDGET_GB),
        'backend_check_frames': (1, None),
        'backend_tolerance': (0.0, 0.5),
    }

    mode: StreamMode = 'sliding'
    window: int = 8
    input_size: int = 518
    max_gap_s: float = 1.0
    anchor_max_age: int = 128
    anchor_min_overlap: float = 0.3
    lookahead: int = 0
    stride: int = 1
    alignment_memory: int = 512
    preprocessing: Preprocessing = 'auto'
    cache_precision: CachePrecision = 'auto'
    memory_budget_gb: float = 0.0
    backend: Backend = 'eager'
    backend_check_frames: int = 8
    backend_tolerance: float = 0.0
    engine_folder: str = ''

    def __post_init__(self) -> None:
        if self.mode not in get_args(StreamMode):
            raise ConfigError(
                f"mode must be 'sliding', 'causal' or 'published_stream', got {self.mode!r}"
            )
        if not 1 <= self.window <= MAX_WINDOW:
            raise ConfigError(f'window must be 1..{MAX_WINDOW} frames, got {self.window}')
        if self.input_size < 14:
            raise ConfigError(f'input_size must be >= 14, got {self.input_size}')
        if not self.max_gap_s > 0:
            raise ConfigError(f'max_gap_s must be > 0, got {self.max_gap_s}')
        span = self.window * self.stride
        if self.anchor_max_age < span:
            raise ConfigError(
                f'anchor_max_age ({self.anchor_max_age}) must be >= window * stride ({span})'
            )
        if not 0 <= self.anchor_min_overlap <= 1:
            raise ConfigError(f'anchor_min_overlap must be 0..1, got {self.anchor_min_overlap}')
        longest = max(self.window - 2, 0)  # slot 0 is the pinned anchor, not a recent frame
        if not 0 <= self.lookahead <= longest:
            raise ConfigError(
                f'lookahead must be 0..window - 2 ({longest}), got {self.lookahead}: '
                'the first slot holds the anchor'
            )
        if self.lookahead and (self.mode != 'sliding' or self.stride > 1):
            raise ConfigError(
                f'lookahead {self.lookahead} needs mode sliding and stride 1: '
                'a causal frame never sees later ones'
            )
        for name in ('stride', 'alignment_memory'):
            if getattr(self, name) < 1:
                raise ConfigError(f'{name} must be >= 1, got {getattr(self, name)}')
        self._check_choices()
        self._check_backend()

    def _check_choices(self) -> None:
        if not 0 <= self.memory_budget_gb <= MAX_BUDGET_GB:
            raise ConfigError(
                f'memory_budget_gb must be 0..{MAX_BUDGET_GB}, got {self.memory_budget_gb}'
            )
        choices = {'preprocessing': Preprocessing, 'cache_precision': CachePrecision}
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                known = ', '.join(get_args(kind))
                raise ConfigError(f'{name} must be one of {known}, got {getattr(self, name)!r}')

    def _check_backend(self) -> None:
        if self.backend not in get_args(Backend):
            known = ', '.join(get_args(Backend))
            raise ConfigError(f'backend must be one of {known}, got {self.backend!r}')
        if self.backend != 'eager' and self.mode != 'causal':
            raise ConfigError(
                f'backend {self.backend} needs mode causal, got {self.mode}: the other modes run '
                'in eager'
            )
        if self.backend != 'eager' and self.cache_precision != 'auto':
            raise ConfigError(
                f'backend {self.backend} needs cache_precision auto, got {self.cache_precision}: '
                "its graphs take caches in the network's precision"
            )
        if self.backend_check_frames < 1:
            raise ConfigError(
                f'backend_check_frames must be >= 1, got {self.backend_check_frames}: nobody '
                'would notice a wrong engine'
            )
        if not 0 <= self.backend_tolerance <= 0.5:
            raise ConfigError(f'backend_tolerance must be 0..0.5, got {self.backend_tolerance}')
