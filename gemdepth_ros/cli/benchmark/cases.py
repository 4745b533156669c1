"""Which runs are compared: every preset, precision, size, mode, window and backend asked for.

Nothing heavy is imported here: the command line reads the names for its help.
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gemdepth_ros.inference.config import WINDOW_PRESETS

# ``dense``: the whole window anew for every frame; ``plain``: the published windows without
# keeping anything between them. Both are what the other modes are compared with.
MODES = ('offline', 'sliding', 'causal', 'published_stream', 'dense', 'plain')
DEFAULT_MODES = ('offline', 'sliding', 'causal')
OFFLINE_MODES = ('offline', 'plain')
STREAM_MODES = ('sliding', 'causal', 'published_stream')
EAGER = 'eager'
VDA_WINDOW = 32  # of the published stream of Video Depth Anything


@dataclass(frozen=True)
class Case:
    """One run that gets a row of the table.

    Attributes:
        preset: network.
        precision: ``float32``, ``bfloat16`` or ``float16``.
        height: rows of the network's input [px].
        width: columns of the network's input [px].
        mode: one of ``MODES``.
        window: frames of the window or segment.
        backend: what runs the network's step.
    """

    preset: str
    precision: str
    height: int
    width: int
    mode: str
    window: int
    backend: str = EAGER

    @property
    def network(self) -> tuple[str, str]:
        """What cases share that can take turns in one process: preset and precision."""
        return self.preset, self.precision

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input [px]."""
        return self.height, self.width

    def __str__(self) -> str:
        parts = [self.preset, self.precision, f'{self.height}x{self.width}', self.mode]
        parts += [f'T={self.window}'] + ([self.backend] if self.backend != EAGER else [])
        return ' '.join(parts)


def refusal(case: Case) -> str | None:
    """Say why a combination does not exist, or None when it can be run."""
    if case.mode in OFFLINE_MODES and case.window not in WINDOW_PRESETS:
        return f'windows of {case.window} frames: published ones have 32, 16 or 8'
    if case.mode == 'published_stream' and not case.preset.startswith('vda-'):
        return 'published_stream is that of Video Depth Anything'
    if case.mode == 'published_stream' and case.window != VDA_WINDOW:
        return f'published_stream has {VDA_WINDOW} entries'
    if case.backend != EAGER and case.mode != 'causal':
        return f'backend {case.backend} is for causal'
    return None


@dataclass(frozen=True)
class Plan:
    """Cases to run, and the combinations that do not exist with the reason."""

    cases: tuple[Case, ...]
    left_out: tuple[str, ...]

    @classmethod
    def of(
        cls,
        presets: Sequence[str],
        precisions: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        modes: Sequence[str],
        windows: Sequence[int],
        backends: Sequence[str] = (EAGER,),
    ) -> Plan:
        """Combine all values; doubles are dropped, the order is that of the arguments."""
        cases, left_out = [], []
        product = itertools.product(presets, precisions, sizes, windows, modes, backends)
        for preset, precision, (height, width), window, mode, backend in dict.fromkeys(product):
            case = Case(preset, precision, height, width, mode, window, backend)
            reason = refusal(case)
            if reason is None:
                cases.append(case)
            else:
                left_out.append(f'{case}: {reason}')
        return cls(tuple(cases), tuple(left_out))

    def by_network(self) -> list[tuple[Case, ...]]:
        """Cases that share a network, in the order in which networks first appear."""
        groups: dict[tuple[str, str], list[Case]] = {}
        for case in self.cases:
            groups.setdefault(case.network, []).append(case)
        return [tuple(group) for group in groups.values()]


def size(text: str) -> tuple[int, int]:
    """An argparse type: HEIGHTxWIDTH [px]."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if not match or not int(match[1]) or not int(match[2]):
        raise argparse.ArgumentTypeError(f'must be HEIGHTxWIDTH, such as 140x462, got {text!r}')
    return int(match[1]), int(match[2])
