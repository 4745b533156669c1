"""What a training run is: data, stages, losses, optimiser; one YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model.config import MAX_FRAMES, PATCH_SIZE

Alignment = Literal['median', 'least_squares', 'none']
TranslationUnit = Literal['first_depth', 'largest']
Precision = Literal['auto', 'float32', 'bfloat16']


@dataclass(frozen=True)
class DataConfig:
    """Sequences of the synthetic world, rendered once and read many times.

    Attributes:
        source: 'cache' reads rendered sequences; 'render' renders on the device while training.
        world: which worlds are drawn from, a name known to ``training.world``.
        sequences: number of sequences.
        frames: frames of each sequence.
        height: of the rendered images [px].
        width: of the rendered images [px].
        first_seed: seed of the first sequence; the others count on from it.
        validation_first_seed: seed of the first held-out sequence.
        validation_sequences: number of held-out sequences.
    """

    source: Literal['cache', 'render'] = 'cache'
    world: str = 'street'
    sequences: int = 200
    frames: int = 32
    height: int = 98
    width: int = 322
    first_seed: int = 1_000
    validation_first_seed: int = 900_000
    validation_sequences: int = 8

    def __post_init__(self) -> None:
        for name in ('sequences', 'frames'):
            if getattr(self, name) < 1:
                raise ConfigError(f'data.{name} must be >= 1, got {getattr(self, name)}')
        if self.validation_sequences < 0:
            raise ConfigError(
                f'data.validation_sequences must be >= 0, got {self.validation_sequences}'
            )
        trained = range(self.first_seed, self.first_seed + self.sequences)
        held_out = range(
            self.validation_first_seed, self.validation_first_seed + self.validation_sequences
        )
        if held_out and max(trained[0], held_out[0]) <= min(trained[-1], held_out[-1]):
            raise ConfigError(
                'data.validation_first_seed: held-out seeds must not be trained on, got '
                f'{held_out[0]}..{held_out[-1]} and {trained[0]}..{trained[-1]}'
            )


@dataclass(frozen=True)
class StageConfig:
    """A part of the training with one image size and one mix of clip lengths.

    Attributes:
        steps: optimiser steps.
        height: of the network's input [px].
        width: of the network's input [px].
        frames_per_step: frames of a batch; a batch of clips of T frames has frames_per_step / T.
        lengths: clip length -> how often, in any unit.
        causal_share: share of batches in which a frame sees itself and earlier frames only.
    """

    steps: int
    height: int
    width: int
    frames_per_step: int = 16
    lengths: dict[int, float] = field(default_factory=lambda: {1: 1.0, 4: 1.0, 8: 1.0})
    causal_share: float = 0.5

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f'stages.steps must be >= 1, got {self.steps}')
        if self.height % PATCH_SIZE or self.width % PATCH_SIZE or min(self.size) < PATCH_SIZE:
            raise ConfigError(
                f'stages: sides must be multiples of {PATCH_SIZE}, got {self.height}x{self.width}'
            )
        if not self.lengths or any(weight <= 0 for weight in self.lengths.values()):
            raise ConfigError(f'stages.lengths must have positive weights, got {self.lengths}')
        for length in self.lengths:
            if not 1 <= length <= MAX_FRAMES or self.frames_per_step % length:
                raise ConfigError(
                    f'stages.lengths must divide frames_per_step ({self.frames_per_step}) and lie '
                    f'in 1..{MAX_FRAMES}, got {length}'
                )
        check_share('stages.causal_share', self.causal_share)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        return self.height, self.width


@dataclass(frozen=True)
class ClipConfig:
    """How clips are cut from sequences and what their pictures go through.

    Attributes:
        max_stride: frames are 1 .. max_stride apart.
        reverse_share: share of clips that run backwards in time.
        flip_share: share of clips that are mirrored.
        standstill_share: share of clips in which the camera stops for some frames.
        smallest_crop: smallest part of the picture's sides that a clip shows.
        brightness: largest relative change of the brightness, one for the clip.
        contrast: likewise of the contrast.
        saturation: likewise of the colours.
        drift: largest relative change of the brightness from the first frame to the last.
        noise: largest standard deviation of the noise, of full scale.
        withheld_clip_share: share of clips without any pose injected.
        withheld_frame_share: share of frames without their pose injected, in the other clips.
        translation_unit: 'first_depth': translations are divided by the median depth of the
            clip's first frame, which a stream knows; 'largest': by the largest in the clip, as
            published.
    """

    max_stride: int = 4
    reverse_share: float = 0.1
    flip_share: float = 0.5
    standstill_share: float = 0.15
    smallest_crop: float = 0.7
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.5
    drift: float = 0.1
    noise: float = 0.03
    withheld_clip_share: float = 0.3
    withheld_frame_share: float = 0.05
    translation_unit: TranslationUnit = 'first_depth'

    def __post_init__(self) -> None:
        if self.max_stride < 1:
            raise ConfigError(f'clips.max_stride must be >= 1, got {self.max_stride}')
        if not 0 < self.smallest_crop <= 1:
            raise ConfigError(f'clips.smallest_crop must lie in (0, 1], got {self.smallest_crop}')
        for name in vars(self):
            if name.endswith('share'):
                check_share(f'clips.{name}', getattr(self, name))
        for name in ('brightness', 'contrast', 'saturation', 'drift', 'noise'):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f'clips.{name} must lie in [0, 1), got {getattr(self, name)}')


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; ``training.losses`` has the equations.

    Attributes:
        alignment: how prediction and truth are brought to one scale and shift per clip; 'none':
            they are compared as they are, the truth in units of its first frame's mean.
        spatial: weight of the scale-and-shift-invariant loss.
        gradient: weight of its gradient matching.
        gradient_scales: resolutions of the gradient matching, each half the one before.
        direct: weight of the plain distance to the truth in units of the first frame's mean.
        far: softness of the weight that lifts what is far; 0: all pixels weigh the same.
        temporal: weight of the temporal gradient matching.
        static_change: temporal matching looks where the truth changes by less than this.
        pose: weight of the pose loss.
        translation: weight of the translation within it.
        rotation: weight of the quaternion within it.
        field_of_view: weight of the field of view within it.
        step: weight, within it, of the motion between neighbouring frames.
        round_decay: a round of refinement weighs this much less than the one after it.
        huber: where the pose loss turns from quadratic to linear.
    """

    alignment: Alignment = 'median'
    spatial: float = 1.0
    gradient: float = 0.5
    gradient_scales: int = 4
    direct: float = 1.0
    far: float = 0.0
    temporal: float = 2.0
    static_change: float = 0.05
    pose: float = 1.0
    translation: float = 2.0
    rotation: float = 20.0
    field_of_view: float = 0.5
    step: float = 1.0
    round_decay: float = 0.6
    huber: float = 0.005

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != 'alignment' and value < 0:
                raise ConfigError(f'losses.{name} must be >= 0, got {value}')
        for name in ('huber', 'gradient_scales'):
            if getattr(self, name) <= 0:
                raise ConfigError(f'losses.{name} must be > 0, got {getattr(self, name)}')


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimiser with warm-up and cosine decay.

    Attributes:
        kind: 'adamw', or 'muon' for matrices beside AdamW for the rest.
        learning_rate: the largest of AdamW.
        matrix_rate: the largest of Muon.
        final_share: the learning rate at the end, as a part of the largest.
        warmup_steps: steps of linear growth from 0.
        beta2: decay of the squared gradients' mean.
        weight_decay: of matrices; gains, biases and tokens have none.
        clip_norm: largest norm of the gradient.
        ema_decay: of the weights' running mean, which is what is exported.
    """

    kind: Literal['adamw', 'muon'] = 'adamw'
    learning_rate: float = 3e-4
    matrix_rate: float = 2e-3
    final_share: float = 0.01
    warmup_steps: int = 100
    beta2: float = 0.98
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.998

    def __post_init__(self) -> None:
        for name in ('learning_rate', 'matrix_rate', 'clip_norm'):
            if not getattr(self, name) > 0:
                raise ConfigError(f'optimizer.{name} must be > 0, got {getattr(self, name)}')
        for name in ('beta2', 'ema_decay'):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f'optimizer.{name} must lie in [0, 1), got {getattr(self, name)}'
                )


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Attributes:
        network: preset of the network, or 'auto': the one that the initial weights have.
        seed: of the initial weights and of all batches.
        precision: 'auto' is bfloat16 on CUDA and float32 elsewhere; 'bfloat16' on a CPU pays where
            it multiplies matrices of that type (AMX, AVX512-BF16).
        fixed_positions: keep the encoder's position table as it was initialised: a smooth
            two-dimensional sinusoid, the same for all image sizes.
        data: where sequences come from.
        stages: one after the other.
        clips: cutting and augmentation.
        losses: weights of the losses.
        optimizer: optimiser and schedule.
        save_every: steps between checkpoints.
        log_every: steps between lines of the log.
        validate_every: steps between validations; 0: never.
    """

    data: DataConfig
    stages: tuple[StageConfig, ...]
    network: str = 'tiny'
    seed: int = 0
    precision: Precision = 'auto'
    fixed_positions: bool = True
    clips: ClipConfig = field(default_factory=ClipConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    save_every: int = 200
    log_every: int = 10
    validate_every: int = 500

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError('stages must name at least one stage')
        for name in ('save_every', 'log_every'):
            if getattr(self, name) < 1:
                raise ConfigError(f'{name} must be >= 1, got {getattr(self, name)}')
        longest = max(max(stage.lengths) for stage in self.stages)
        if longest > self.data.frames:
            raise ConfigError(
                f'stages.lengths must not exceed data.frames ({self.data.frames}), got {longest}'
            )

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> StageConfig:
        """Return the stage that step ``step`` (0-based) belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        raise ConfigError(f'the training has {self.total_steps} steps, asked for one beyond them')


def check_share(name: str, value: Any) -> None:
    """Raise ConfigError unless ``value`` lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ConfigError(f'{name} must lie in [0, 1], got {value}')
