"""Arithmetic of the network, by stage: what a frame costs in each way of running it.

FLOPs count 2 per multiply-add; softmax, norms and element-wise work are left out. L patches of a
frame, P = L + 5 tokens in GEM, T frames, C channels; a block costs 24 C^2 per token, its
attention 4 C per query and key.
"""

from __future__ import annotations

from gemdepth_ros.model.camera_head import POSE_WIDTH, ROUNDS
from gemdepth_ros.model.config import PATCH_SIZE, GemDepthConfig
from gemdepth_ros.model.gemdepth import grid_size
from gemdepth_ros.model.geometry_embedding import SPECIAL_TOKENS
from gemdepth_ros.model.spatio_temporal import PAIRS

Stages = dict[str, float]


class FlopCount:
    """FLOPs of one configuration at one input size.

    Args:
        config: the network.
        height: input height [px], a multiple of 14.
        width: input width [px], a multiple of 14.
    """

    def __init__(self, config: GemDepthConfig, height: int, width: int) -> None:
        rows, columns = grid_size(height, width)
        self._config = config
        self._patches = rows * columns
        self._quarter = -(-rows // 2) * -(-columns // 2)  # locations of the coarsest map

    def _blocks(self, queries: float, keys: float, width: int) -> float:
        """One transformer block on ``queries`` tokens that attend to ``keys`` tokens each."""
        return 24 * width**2 * queries + 4 * width * queries * keys

    def encoder(self, frames: int) -> float:
        """Encoder on ``frames`` frames."""
        encoder, patches = self._config.encoder, self._patches
        embed = 2 * 3 * PATCH_SIZE**2 * encoder.width * patches
        return frames * (
            embed + encoder.depth * self._blocks(patches + 1, patches + 1, encoder.width)
        )

    def _frame_block(self, frames: int) -> float:
        tokens = self._patches + SPECIAL_TOKENS
        return frames * self._blocks(tokens, tokens, self._config.encoder.width)

    def _global_queries(self, new: int, queries: int, visible: int) -> float:
        """Keys and values of ``new`` frames, camera queries of ``queries`` over ``visible``."""
        width, tokens = self._config.encoder.width, self._patches + SPECIAL_TOKENS
        key_value = 4 * width**2 * tokens * new
        return key_value + 20 * width**2 * queries + 4 * width * queries * visible * tokens

    def _camera_head(self, frames: int, visible: int) -> float:
        width = 2 * self._config.encoder.width
        trunk = self._config.camera_head_depth * self._blocks(frames, visible, width)
        modulation = frames * (6 * width**2 + 2 * POSE_WIDTH * width)
        branch = frames * (width**2 + POSE_WIDTH * width)
        return ROUNDS * (trunk + modulation + branch)

    def _pose_features(self, frames: int) -> float:
        hidden = 128 * 256 + 256 * 512 + 512 * self._config.encoder.width
        return frames * 2 * (3 * hidden + 128 * (4 + 3 + 1))

    def _spatial(self, frames: int, visible: int) -> float:
        patches = self._patches
        width = self._config.encoder.width
        return PAIRS * self._blocks(frames * patches, visible * patches, width)

    def _time(self, frames: int, visible: int) -> float:
        return PAIRS * self._blocks(frames * self._patches, visible, self._config.encoder.width)

    def _motion_sizes(self) -> tuple[tuple[int, int], ...]:
        """(channels, locations) of the four motion modules."""
        _, _, c3, c4 = self._config.out_channels
        f, patches = self._config.features, self._patches
        return (c3, patches), (c4, self._quarter), (f, patches), (f, 4 * patches)

    def _motion(self, frames: int, visible: int, *, pruned: bool = False) -> float:
        """All motion modules; ``pruned``: the last one's second half for one frame only."""
        total = 0.0
        for index, (c, locations) in enumerate(self._motion_sizes()):
            if pruned and index == 3:
                every = 14 * c**2 + 4 * visible * c  # in, first attention, second keys and values
                once = 30 * c**2 + 4 * visible * c
                total += locations * (frames * every + once)
            else:
                total += frames * locations * (44 * c**2 + 8 * visible * c)
        return total

    def _coarse(self, frames: int, *, level3: int | None = None) -> float:
        """Convolutions of levels 3 and 4; level 3's projection for ``level3`` frames only."""
        _, _, c3, c4 = self._config.out_channels
        f, patches, quarter = self._config.features, self._patches, self._quarter
        width = self._config.encoder.width
        project3 = 2 * width * c3 * patches
        rest = 2 * width * c4 * patches + 18 * c4**2 * quarter  # project and resize level 4
        rest += 18 * c3 * f * patches + 18 * c4 * f * quarter  # reduce
        rest += 36 * f**2 * quarter + 2 * f**2 * patches  # refinenet 4
        rest += 72 * f**2 * patches + 8 * f**2 * patches  # refinenet 3
        return frames * rest + (frames if level3 is None else level3) * project3

    def _fine(self, frames: int) -> float:
        c1, c2, _, _ = self._config.out_channels
        f, patches, width = self._config.features, self._patches, self._config.encoder.width
        level1 = 2 * width * c1 + 32 * c1**2 + 18 * c1 * f * 16
        level2 = 2 * width * c2 + 8 * c2**2 + 18 * c2 * f * 4
        fusion = 72 * f**2 * 4 + 2 * f**2 * 16 + 72 * f**2 * 16 + 2 * f**2 * 64
        output = 9 * f**2 * 64 + (9 * f * 32 + 64) * PATCH_SIZE**2
        return frames * patches * (level1 + level2 + fusion + output)

    def dense(self, frames: int) -> Stages:
        """A whole clip, every frame answered: what a naive stream pays for each new frame."""
        tokens = frames * (self._patches + SPECIAL_TOKENS)
        return {
            'encoder': self.encoder(frames),
            'frame block': self._frame_block(frames),
            'global block': self._blocks(tokens, tokens, self._config.encoder.width),
            'camera head': self._camera_head(frames, frames) + self._pose_features(frames),
            'spatial': self._spatial(frames, frames),
            'time': self._time(frames, frames),
            'motion': self._motion(frames, frames),
            'head': self._coarse(frames) + self._fine(frames),
        }

    def sliding(self, frames: int) -> Stages:
        """One step of the pruned sliding window of ``frames`` frames."""
        return {
            'encoder': self.encoder(1),
            'frame block': self._frame_block(1),
            'global block': self._global_queries(1, frames, frames),
            'camera head': self._camera_head(frames, frames) + self._pose_features(frames),
            'spatial': self._spatial(frames, frames),
            'time': self._time(frames, frames),
            'motion': self._motion(frames, frames, pruned=True),
            'head': self._coarse(frames, level3=1) + self._fine(1),
        }

    def causal(self, visible: int) -> Stages:
        """One step of a causal segment whose frame sees ``visible`` frames, itself included."""
        return {
            'encoder': self.encoder(1),
            'frame block': self._frame_block(1),
            'global block': self._global_queries(1, 1, visible),
            'camera head': self._camera_head(1, visible) + self._pose_features(visible),
            'spatial': self._spatial(1, visible),
            'time': self._time(1, visible),
            'motion': self._motion(1, visible),
            'head': self._coarse(1) + self._fine(1),
        }

    def windowed(self, frames: int, new: int) -> Stages:
        """One offline window of ``frames`` frames of which ``new`` were not encoded before."""
        return self.dense(frames) | {
            'encoder': self.encoder(new),
            'global block': self._global_queries(frames, frames, frames),
        }
