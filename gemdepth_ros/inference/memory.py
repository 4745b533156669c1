"""Memory of a stream as a formula of its configuration: nothing is allocated to know it.

Symbols: L patches of a frame, P = L + 5 tokens, C width, T slots (``window``), e bytes per value.
"""

from __future__ import annotations

import torch

from gemdepth_ros.inference.caches import kept_dtype
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.inference.vda.window import VdaWindow
from gemdepth_ros.model import GemDepthConfig, ModelConfig, VdaConfig
from gemdepth_ros.model.camera_head import POSE_WIDTH, ROUNDS
from gemdepth_ros.model.dinov2 import TABLE_SIDE
from gemdepth_ros.model.gemdepth import grid_size
from gemdepth_ros.model.geometry_embedding import SPECIAL_TOKENS
from gemdepth_ros.model.spatio_temporal import PAIRS
from gemdepth_ros.model.temporal_attention import ATTENTIONS

KEY_AND_VALUE = 2
COSINE_AND_SINE = 2
FLOAT32 = 4  # bytes; poses and rotation tables have this precision whatever the network's is


def stream_bytes(
    model: ModelConfig,
    streaming: StreamingConfig,
    height: int,
    width: int,
    dtype: torch.dtype = torch.float32,
) -> int:
    """Memory that a session's tensors take from its first frame on [byte].

    Args:
        model: sizes of the network.
        streaming: mode and lengths.
        height: rows of the network's input [px], a multiple of 14.
        width: columns of the network's input [px], a multiple of 14.
        dtype: precision of the network.
    """
    rows, columns = grid_size(height, width)
    if isinstance(model, VdaConfig):
        return _vda(model, streaming, rows, columns, dtype.itemsize)
    tables = _tables(model, rows, columns, dtype.itemsize)
    kept = kept_dtype(streaming.cache_precision, dtype).itemsize
    if streaming.mode == 'causal':
        return tables + _causal(model, streaming.window, rows, columns, kept)
    return tables + _sliding(model, streaming, rows * columns, kept)


def _tables(model: GemDepthConfig, rows: int, columns: int, e: int) -> int:
    """Position tables of the patch grid."""
    width, patches = model.encoder.width, rows * columns
    geometry = (patches + SPECIAL_TOKENS) * 2 * width // model.heads
    spatial = patches * width // model.heads
    encoder = _encoder_table(model, rows, columns)
    return COSINE_AND_SINE * (geometry + spatial) * FLOAT32 + encoder * e


def _encoder_table(model: ModelConfig, rows: int, columns: int) -> int:
    """Values of the encoder's positions; a square of the learned size is a part of the weights."""
    square = (rows, columns) == (TABLE_SIDE, TABLE_SIDE)
    return 0 if square else rows * columns * model.encoder.width


def _sliding(model: GemDepthConfig, streaming: StreamingConfig, patches: int, e: int) -> int:
    """``T ((2 P C + L C + L c3) e + 4 C)`` for the window, ``(lookahead + 1) 2 L C e`` beside."""
    width = model.encoder.width
    per_frame = (
        KEY_AND_VALUE * (patches + SPECIAL_TOKENS) * width  # global block
        + patches * width  # level 4
        + patches * model.out_channels[2]  # level 3, projected
    )
    fine = 2 * patches * width  # levels 1 and 2 of the frames that are not answered yet
    camera = width * max(e, FLOAT32)  # token after the frame block, in the residual's precision
    return streaming.window * (per_frame * e + camera) + (streaming.lookahead + 1) * fine * e


def _causal(model: GemDepthConfig, window: int, rows: int, columns: int, e: int) -> int:
    """Two segments of T slots (one when no frame is shared), and the frames held for seeding."""
    width, patches = model.encoder.width, rows * columns
    plan = SegmentPlan.of(window)
    in_network_precision = KEY_AND_VALUE * (
        (patches + SPECIAL_TOKENS) * width  # global block
        + 2 * PAIRS * patches * width  # spatial and time blocks
        + ATTENTIONS * _motion_values(model, rows, columns)
    )
    camera = KEY_AND_VALUE * ROUNDS * model.camera_head_depth * 2 * width
    per_slot = in_network_precision * e + (camera + POSE_WIDTH) * FLOAT32
    segments = 2 if plan.shared else 1
    held = len(plan.held_slots) + 1
    return segments * window * per_slot + held * 2 * patches * width * e


def _motion_values(model: ModelConfig, rows: int, columns: int) -> int:
    """Locations times channels over the four motion modules."""
    patches = rows * columns
    half = -(-rows // 2) * -(-columns // 2)
    c3, c4 = model.out_channels[2:]
    return patches * c3 + half * c4 + patches * model.features + 4 * patches * model.features


def _vda(model: VdaConfig, streaming: StreamingConfig, rows: int, columns: int, e: int) -> int:
    """Video Depth Anything; hidden states are half of their keys and values."""
    table = _encoder_table(model, rows, columns)
    patches, width = rows * columns, model.encoder.width
    if streaming.mode == 'sliding':
        half = -(-rows // 2) * -(-columns // 2)
        coarse = patches * model.out_channels[2] + half * model.out_channels[3]
        fine = (streaming.lookahead + 1) * 2 * patches * width
        return (table + streaming.window * coarse + fine) * e
    window = VdaWindow.of(streaming.window)
    values = ATTENTIONS * _motion_values(model, rows, columns)
    if streaming.mode == 'published_stream':
        return (table + (window.kept + 1) * values) * e  # once it is full
    channels = ATTENTIONS * (sum(model.out_channels[2:]) + 2 * model.features)
    places = 2 * window.length - window.anchors  # of the projected positions
    positions = channels * (KEY_AND_VALUE * places + 1)
    states = KEY_AND_VALUE * (window.length + window.waiting) * values
    return (table + states + positions) * e
