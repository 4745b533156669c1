"""No frame is late: the arithmetic of every step, counted, on networks that hold no numbers."""

from __future__ import annotations

import statistics

import pytest
import torch
from stream_helpers import place_without_computing, say
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gemdepth_ros.inference import causal
from gemdepth_ros.inference.alignment import IDENTITY
from gemdepth_ros.inference.causal import CausalEngine, CausalSegment
from gemdepth_ros.inference.encoded import CameraView, EncodedFrame, StreamGrid
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.inference.sliding import SlidingEngine
from gemdepth_ros.model import GemDepth, GemDepthConfig

CASES = [('vitl', (280, 924)), ('small', (70, 238))]


@pytest.fixture(autouse=True)
def unaligned(monkeypatch):
    """There are no values to align."""
    monkeypatch.setattr(causal.SeamAligner, 'add', lambda *_: IDENTITY)


class Bench:
    """A network without numbers, and its frames: only what is computed is known."""

    def __init__(self, preset: str, size: tuple[int, int]) -> None:
        with torch.device('meta'):
            self.model = GemDepth(GemDepthConfig.preset(preset)).eval()
        self.model.to('meta').requires_grad_(False)  # the fixed tables are made on the CPU
        self.grid = StreamGrid.of(self.model, size)
        image = torch.zeros(1, 3, *size, device='meta')
        self.encoder_flops = self.counted(self._encode, image)

    def _encode(self, image: torch.Tensor) -> None:
        self.levels = tuple(self.model.encode(image, self.grid.encoder_positions_1LC))

    @staticmethod
    def counted(function, *args) -> int:
        """FLOPs of a call, two per multiply-add."""
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            function(*args)
        return counter.get_total_flops()

    def step(self, engine, number: int) -> int:
        """FLOPs of one frame, its encoding included."""
        frame = EncodedFrame(number, self.levels)
        return self.encoder_flops + self.counted(engine.step, frame)


@pytest.fixture(scope='module')
def benches():
    with torch.no_grad():
        return {preset: Bench(preset, size) for preset, size in CASES}


def skip(engine: CausalEngine, frames: int, monkeypatch) -> None:
    """Let frames pass without computing: nothing is read of them but their place."""

    with monkeypatch.context() as patched:
        patched.setattr(causal, 'take_poses', place_without_computing)
        patched.setattr(CausalSegment, 'step', lambda *_, **__: torch.zeros(1, device='meta'))
        patched.setattr(CameraView, 'of', staticmethod(lambda *_, **__: None))
        patched.setattr(CausalEngine, '_hold', lambda *_: None)
        for number in range(frames):
            engine.step(EncodedFrame(number, (None,) * 4))


@pytest.mark.parametrize(
    ('preset', 'window'), [('vitl', 8), ('vitl', 16), ('vitl', 32), ('small', 8), ('small', 32)]
)
@torch.no_grad()
def test_a_seam_makes_no_step_twice_as_long(benches, monkeypatch, preset, window):
    """All new frames of one segment in steady state."""
    bench = benches[preset]
    engine = CausalEngine(bench.model, bench.grid, window, 512)
    skip(engine, window, monkeypatch)
    new = SegmentPlan.of(window).new_frames
    counts = [bench.step(engine, window + number) for number in range(new)]
    assert engine._segment == 2, 'the whole segment was counted'
    median = statistics.median(counts)
    say(
        f'{preset}, causal, T = {window}: median {median / 1e9:.1f} GFLOP, largest '
        f'{max(counts) / median:.2f} x median, least {min(counts) / median:.2f} x median'
    )
    assert max(counts) < 2 * median


@torch.no_grad()
def test_sliding_steps_are_all_alike(benches):
    bench = benches['small']
    engine = SlidingEngine(bench.model, bench.grid, 4)
    counts = [bench.step(engine, number) for number in range(8)]
    assert len(set(counts[3:])) == 1


@pytest.mark.parametrize(('window', 'tera'), [(8, 4.15), (32, 23.8)])
@torch.no_grad()
def test_sliding_costs_on_kitti_what_was_designed(benches, monkeypatch, window, tera):
    """TFLOP per frame of ViT-L at 280x924, by the formulas of the design."""
    bench = benches['vitl']
    engine = SlidingEngine(bench.model, bench.grid, window)
    with monkeypatch.context() as patched:
        patched.setattr(SlidingEngine, '_fill', lambda *_: None)
        patched.setattr(SlidingEngine, '_evaluate', lambda *_: None)
        for number in range(window):
            engine.step(EncodedFrame(number, bench.levels))
    counted = bench.step(engine, window)
    say(f'sliding, T = {window}: {counted / 1e12:.2f} TFLOP, designed {tera}')
    assert counted / 1e12 == pytest.approx(tera, rel=0.01)
