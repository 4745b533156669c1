"""Deterministic synthetic weights for numerical tests of GemDepth implementations.

No trained checkpoint is needed (or shipped) to compare two implementations of the same
network: it is enough that both load the same numbers.  This module produces those numbers
from nothing but the *name* and the *shape* of each tensor of the official ``state_dict``.

Reproducibility
---------------
Only the raw 64-bit output of NumPy's PCG64 bit generator is used, seeded with
``zlib.crc32(name)``.  NumPy guarantees that stream for ever (it does not guarantee the
streams of ``Generator.standard_normal`` and friends).  Each 64-bit word is cut, low bits
first, into four unsigned 16-bit integers ``u``; the noise value is

    (u - 32767.5) * (sqrt(12) / 65536)          # float32, zero mean, unit variance

so a value costs one exact subtraction and one float32 multiplication, and is the same on
every machine.

Scale
-----
The scale of each tensor follows from its name (see ``_scaled``): matrices and kernels get
1/sqrt(fan-in), norm weights sit around 1, biases around 0, layer-scale gammas around 0.2, so
that every block contributes to the result.  A few tensors get special treatment so that the
depth map is positive and varied, quaternions are far from zero and fields of view are
plausible.

Tensors the constructor computes by itself (sinusoidal tables, see ``is_computed``) are left
alone: ``generate`` skips them.
"""

import re
import zlib
from math import prod, sqrt

import numpy as np

_STEP = np.float32(sqrt(12.0) / 65536.0)

# Final pose bias: translation xyz, quaternion xyzw, field of view h, w.  The camera head adds
# its output four times, so the predicted pose is about four times these values.
_POSE_BIAS = (0.05, -0.03, 0.08, 0.02, -0.03, 0.04, 0.22, 0.17, 0.24)

# name pattern -> extra gain on the 1/sqrt(fan_in) rule
_GAINS = (
    (r'camera_head\.pose_branch\.fc2\.weight$', 0.10),
    (r'camera_head\.poseLN_modulation\.1\.weight$', 0.50),
    (r'\.attn\.qkv\.weight$', 1.5),  # sharper attention: errors in queries or keys show up
)

# name pattern -> standard deviation of free (non-matrix) parameters
_TOKEN_STD = (
    (r'(^|\.)pos_embed$', 0.3),
    (r'(^|\.)(cls_token|mask_token)$', 0.5),
    (r'(^|\.)(camera_token|register_token)$', 1.0),
    (r'(^|\.)empty_pose_tokens$', 0.5),
)


def unit_noise(name, count):
    """``count`` float32 values of zero mean and unit variance that depend on ``name`` only."""
    words = np.random.PCG64(zlib.crc32(name.encode('utf-8'))).random_raw((count + 3) // 4)
    words = np.atleast_1d(words).astype('<u8', copy=False)
    parts = words.view('<u2')[:count]
    return (parts.astype(np.float32) - np.float32(32767.5)) * _STEP


def is_computed(name):
    """True for buffers that hold fixed sinusoids rather than learned values."""
    return name == 'pos_encoder.pe' or name.endswith('.pos_encoder.pe')


def _fan_in(name, shape):
    if re.search(r'resize_layers\.[01]\.weight$', name):
        return shape[0]  # transposed convolution with stride == kernel: one tap per output
    return prod(shape[1:])


def _scaled(name, shape, noise):
    if name.endswith('camera_head.pose_branch.fc2.bias'):
        return np.array(_POSE_BIAS, np.float32) + np.float32(0.002) * noise
    if name.endswith('scratch.output_conv2.2.bias'):
        return np.float32(2.0) + np.float32(0.02) * noise
    if name.endswith('gamma'):
        centre = 0.2 if name.startswith('pretrained.') else 0.5
        return np.float32(centre) + np.float32(0.05) * noise
    if re.search(r'\.[qk]_norm\.weight$', name):
        return np.float32(1.6) + np.float32(0.1) * noise
    for pattern, std in _TOKEN_STD:
        if re.search(pattern, name):
            return np.float32(std) * noise
    if name.endswith('bias'):
        return np.float32(0.02) * noise
    if len(shape) == 1:
        return np.float32(1.0) + np.float32(0.1) * noise
    gain = next((g for pattern, g in _GAINS if re.search(pattern, name)), 1.0)
    return np.float32(gain / sqrt(_fan_in(name, shape))) * noise


def tensor(name, shape):
    """The golden value of one tensor, float32."""
    shape = tuple(int(n) for n in shape)
    noise = unit_noise(name, prod(shape)).reshape(shape)
    return np.ascontiguousarray(_scaled(name, shape, noise), dtype=np.float32)


def generate(entries):
    """Map ``[(name, shape), ...]`` to ``{name: float32 array}``, computed buffers left out."""
    return {name: tensor(name, shape) for name, shape in entries if not is_computed(name)}
