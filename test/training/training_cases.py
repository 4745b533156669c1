"""A micro network, a micro world on disk and a micro configuration: a step takes milliseconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gemdepth_ros.model.config import EncoderConfig, GemDepthConfig
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.initialization import initialize
from gemdepth_ros.training.config import (
    ClipConfig,
    DataConfig,
    LossConfig,
    OptimizerConfig,
    StageConfig,
    TrainingConfig,
)
from gemdepth_ros.training.network import TrainedNetwork
from gemdepth_ros.training.sequences import Sequence
from gemdepth_ros.training.starting import (
    calm_head,
    open_gains,
    smooth_positions,
    wake_pose_features,
)

MICRO = GemDepthConfig(
    encoder=EncoderConfig(width=32, depth=4, heads=2, levels=(0, 1, 2, 3)),
    heads=2,
    camera_head_heads=2,
    camera_head_depth=1,
    features=32,
    out_channels=(8, 16, 32, 32),
)
HEIGHT, WIDTH, FRAMES = 28, 42, 12


def micro_network(seed: int = 0) -> GemDepth:
    model = GemDepth(MICRO)
    initialize(model, seed)
    smooth_positions(model)
    open_gains(model)
    wake_pose_features(model, seed)
    calm_head(model, seed)
    model.encoder.pos_embed.requires_grad_(False)
    return model.train()


def micro_config(steps: int = 6, **changes: object) -> TrainingConfig:
    config = TrainingConfig(
        data=DataConfig(
            sequences=3, frames=FRAMES, height=HEIGHT, width=WIDTH, validation_sequences=1
        ),
        stages=(StageConfig(steps, HEIGHT, WIDTH, 4, {1: 1.0, 2: 1.0, 4: 1.0}),),
        optimizer=OptimizerConfig(warmup_steps=2),
        save_every=2,
        log_every=1,
        validate_every=0,
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def trained_network(losses: LossConfig | None = None) -> TrainedNetwork:
    return TrainedNetwork(micro_network(), losses or LossConfig(), in_bfloat16=False)


def micro_sequence(seed: int = 0, frames: int = FRAMES) -> Sequence:
    """A textured slope with a wall; the camera drives forward and turns."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inverse = np.clip((rows - 10) / 40, 0, None) + 0.05 * (columns > 30)
    images, poses = [], []
    for index in range(frames):
        picture = np.stack([rows * 8, columns * 5, (rows + columns + 3 * index) * 3], axis=-1)
        images.append((picture + random.integers(0, 40, picture.shape)) % 256)
        pose = np.eye(4)
        angle = 0.02 * index
        pose[:3, :3] = [
            [np.cos(angle), 0, np.sin(angle)],
            [0, 1, 0],
            [-np.sin(angle), 0, np.cos(angle)],
        ]
        pose[:3, 3] = (0.1 * index, 0.02 * index, 0.8 * index)
        poses.append(pose)
    return Sequence(
        np.stack(images).astype(np.uint8),
        np.stack([inverse] * frames).astype(np.float16),
        np.stack(poses),
        np.tile([30.0, 28.0], (frames, 1)),
    )


PLAIN = ClipConfig(
    max_stride=1,
    reverse_share=0,
    flip_share=0,
    standstill_share=0,
    smallest_crop=1,
    brightness=0,
    contrast=0,
    saturation=0,
    drift=0,
    noise=0,
    withheld_clip_share=0,
    withheld_frame_share=0,
)


def write_sequences(folder: Path, config: TrainingConfig) -> None:
    """Put micro sequences where the trainer looks for rendered ones."""
    from gemdepth_ros.training.sequences import prepare_folder, seeds_of, write_sequence

    prepare_folder(folder, config.data)
    for seeds in seeds_of(config.data):
        for seed in seeds:
            write_sequence(folder, seed, micro_sequence(seed))


def weights_of(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]
