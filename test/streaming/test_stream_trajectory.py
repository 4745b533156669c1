"""One continuous trajectory through windows and segments, and no jump at a seam."""

from __future__ import annotations

import statistics
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from stream_helpers import FRAME_NS, place_without_computing, say, video_frames

from gemdepth_ros.geometry import se3
from gemdepth_ros.inference import StreamingConfig, StreamSession, causal, streaming
from gemdepth_ros.inference.alignment import IDENTITY, Affine
from gemdepth_ros.inference.causal import CausalEngine, CausalSegment
from gemdepth_ros.inference.encoded import CameraView, EngineOutput
from gemdepth_ros.inference.sliding import SlidingEngine
from gemdepth_ros.interfaces import Float64Array, VideoFrame


def drive(frames: int, speed: float = 0.1, turn_deg: float = 1.0) -> Float64Array:
    """world_from_camera of a camera that drives a curve, [T, 4, 4]."""
    poses = [np.eye(4)]
    turn = Rotation.from_euler('y', turn_deg, degrees=True).as_matrix()
    for _ in range(frames - 1):
        poses.append(poses[-1] @ se3.from_parts(turn, np.array([0.0, 0.0, speed])))
    return np.stack(poses)


class Predicted:
    """What a network would say of known motion: every window in a frame and unit of its own."""

    def __init__(self, world_from_camera: Float64Array, noise: float, seed: int = 0) -> None:
        self.truth, self.noise = world_from_camera, noise
        self.generator = np.random.default_rng(seed)

    def encodings(self, numbers: tuple[int, ...], unit: float) -> torch.Tensor:
        """Pose encodings [T, 9] of frames, translations divided by ``unit``."""
        first_from_camera = se3.inverse(self.truth[numbers[0]]) @ self.truth[list(numbers)]
        camera_from_first = se3.inverse(first_from_camera)
        rows = np.zeros((len(numbers), 9))
        rows[:, :3] = camera_from_first[:, :3, 3] / unit
        rows[:, :3] += self.noise * self.generator.standard_normal((len(numbers), 3))
        rows[:, 3:7] = Rotation.from_matrix(camera_from_first[:, :3, :3]).as_quat()
        rows[:, 7:] = 0.8, 1.2
        return torch.from_numpy(rows)


def spread(numbers: tuple[int, ...], truth: Float64Array) -> float:
    """Longest translation from the first frame: what training divides by."""
    positions = truth[list(numbers), :3, 3]
    return max(float(np.linalg.norm(positions - positions[0], axis=1).max()), 0.05)


@pytest.fixture
def predict(monkeypatch, tiny_model):
    """Run known motion through a session whose network is made of it."""

    def run(config: StreamingConfig, truth: Float64Array, noise: float = 0.0, unit='alternating'):
        predicted = Predicted(truth, noise)

        def of(numbers, segment):
            if unit == 'normalised':
                return spread(numbers, truth)
            return 1.5 if unit == 'alternating' and segment % 2 else 1.0

        def evaluate(self, target):
            numbers = tuple(self._numbers[row] for row in self._order)
            encodings = predicted.encodings(numbers, of(numbers, 0))
            return EngineOutput(numbers[target], torch.ones(28, 28), numbers, encodings, target)

        step = CausalEngine.step

        def causal_step(self, frame, **settings):
            output = step(self, frame, **settings)
            encodings = predicted.encodings(output.numbers, of(output.numbers, output.segment))
            return EngineOutput(
                output.number,
                torch.ones(28, 28),
                output.numbers,
                encodings,
                output.index,
                output.segment,
            )

        def segment_step(self, frame, pose, slot, *, answer):
            return torch.ones(28, 28) if answer else None

        with monkeypatch.context() as patched:
            patched.setattr(SlidingEngine, '_fill', lambda *_: None)
            patched.setattr(SlidingEngine, '_set_view', lambda *_, **__: None)
            patched.setattr(SlidingEngine, '_evaluate', evaluate)
            patched.setattr(CausalEngine, 'step', causal_step)
            patched.setattr(causal, 'take_poses', place_without_computing)
            patched.setattr(CausalSegment, 'step', segment_step)
            patched.setattr(CameraView, 'of', staticmethod(lambda *_, **__: None))
            patched.setattr(streaming, 'view_overlap', lambda *_: 1.0)
            session = StreamSession(tiny_model, config)
            image, levels = np.zeros((28, 28, 3), np.uint8), [torch.zeros(4, 64)] * 4
            outputs = []
            for number in range(len(truth)):
                session.prepare(VideoFrame(image, number * FRAME_NS))
                outputs.append(session.finish(VideoFrame(image, number * FRAME_NS), levels))
        return outputs

    return run


def positions(outputs) -> Float64Array:
    return np.stack([output.session_from_camera[:3, 3] for output in outputs])


def small(mode: str, window: int, **settings) -> StreamingConfig:
    return StreamingConfig(mode=mode, window=window, input_size=28, **settings)


@pytest.mark.parametrize(
    ('mode', 'window', 'stride'),
    [('sliding', 4, 1), ('sliding', 8, 1), ('sliding', 6, 3)]
    + [('causal', window, 1) for window in (4, 5, 8, 12, 16, 32)]
    + [('causal', 8, 2)],
)
def test_known_motion_is_recovered(predict, mode, window, stride):
    """Through changed anchors and segments in other units, up to one scale."""
    truth = drive(150)
    config = small(mode, window, stride=stride, anchor_max_age=max(40, window * stride))
    outputs = predict(config, truth)
    assert not any(output.lost for output in outputs)
    found = np.stack([output.session_from_camera for output in outputs])
    found[:, :3, 3] *= np.linalg.norm(truth[20, :3, 3]) / np.linalg.norm(found[20, :3, 3])
    # with one shared frame per seam (windows of 4 to 7) the anchor alone carries the scale over
    np.testing.assert_allclose(found, truth, atol=1e-4)


@pytest.mark.parametrize(('mode', 'window'), [('sliding', 8), ('sliding', 32), ('causal', 32)])
def test_windows_normalised_by_their_longest_translation_keep_one_scale(predict, mode, window):
    """The published training divides so; a new anchor changes the unit at once."""
    speeds = np.concatenate([np.full(150, 0.1), np.linspace(0.1, 0.5, 50), np.full(150, 0.5)])
    truth = np.tile(np.eye(4), (len(speeds), 1, 1))
    truth[:, 2, 3] = np.cumsum(speeds)
    outputs = predict(small(mode, window), truth, noise=1e-4, unit='normalised')
    found = positions(outputs)
    ratios = [
        np.linalg.norm(found[b] - found[a]) / (truth[b, 2, 3] - truth[a, 2, 3])
        for a, b in ((5, 60), (60, 140), (210, 280), (280, 349))
    ]
    say(f'{mode}, T = {window}: session units per metre {np.round(ratios, 2)}')
    assert max(ratios) < 1.1 * min(ratios)


@pytest.mark.parametrize('noise', [1e-3, 1e-2])
@pytest.mark.parametrize(
    ('mode', 'window'), [('sliding', 4), ('sliding', 8), ('causal', 8), ('causal', 32)]
)
def test_a_camera_that_stands_for_minutes_stays_put(predict, mode, window, noise):
    """A minute and a half at 10 Hz: neither position nor scale wander, and it drives on."""
    truth = np.tile(np.eye(4), (1100, 1, 1))
    speed = np.concatenate([np.full(100, 0.1), np.zeros(900), np.full(100, 0.1)])
    truth[:, 2, 3] = np.cumsum(speed)
    outputs = predict(small(mode, window), truth, noise, unit='constant')
    found = positions(outputs)
    units = [output.window.unit_in_session for output in outputs]
    standing = found[110:1000] - found[110]
    before = np.linalg.norm(found[99] - found[20])
    after = np.linalg.norm(found[-1] - found[-80])
    say(
        f'{mode}, T = {window}, noise {noise}: moved {np.abs(standing).max():.3f} in 890 frames '
        f'(step {before / 79:.3f}), speed after / before {after / before:.2f}'
    )
    assert np.abs(standing).max() < 100 * noise + 0.01
    assert max(units) < 1.6 * min(units)
    assert after / before == pytest.approx(1, abs=0.3)


# Real frames. The weights are synthetic: what is tested is the joining, not the depth.


@pytest.fixture(scope='module')
def kitti(shared):
    files = sorted((shared / 'data' / 'kitti_odometry' / 'image_0').glob('*.*'))
    if not files:
        pytest.skip('no ../shared/data/kitti_odometry')
    return np.stack([cv2.imread(str(file))[..., ::-1] for file in files])


@pytest.mark.parametrize('window', [8, 16, 32])
def test_no_jump_at_the_edge_of_a_segment(kitti, golden_small, monkeypatch, window):
    """What a seam adds to the change between two frames, against that change itself."""
    seams: list[list[torch.Tensor]] = [[]]
    add = causal.SeamAligner.add

    def recording(self, next_raw_HW, present_HW, present):
        line = add(self, next_raw_HW, present_HW, present)
        seams[-1].append(line(next_raw_HW) - present_HW)
        if len(seams[-1]) == max(window // 4, 1):
            seams.append([])
        return line

    monkeypatch.setattr(causal.SeamAligner, 'add', recording)
    config = StreamingConfig(mode='causal', window=window, input_size=70)
    session = StreamSession(golden_small, config)
    outputs = [session.step(frame) for frame in video_frames(np.ascontiguousarray(kitti))]

    changes = [float((b.disparity_HW - a.disparity_HW).abs().mean()) for a, b in pairwise(outputs)]
    edges = [n for n in range(1, len(outputs)) if outputs[n].segment != outputs[n - 1].segment]
    jumps = []
    for seam in seams:
        weights = [(index + 1) / (len(seam) + 1) for index in range(len(seam))]
        # what is added to the old segment's map, frame by frame; after the last one all of it
        added = [w * difference for w, difference in zip(weights, seam, strict=True)]
        steps = [added[0], *(b - a for a, b in pairwise(added))] if seam else []
        if len(seam) == max(window // 4, 1):
            steps.append((1 - weights[-1]) * seam[-1])
        jumps += [float(step.abs().mean()) for step in steps]
    median = statistics.median(changes)
    at_edges = [changes[edge - 1] for edge in edges]
    say(
        f'KITTI, T = {window}: median change between frames {median:.3f}; largest part of a seam '
        f'in one {max(jumps):.3f}; change at edges {np.round(at_edges, 3)}'
    )
    assert len(edges) >= 1
    assert max(jumps) <= median
    # the change at an edge is a change like others
    assert statistics.mean(at_edges) < 1.5 * median
    assert max(at_edges) <= 1.1 * max(changes)

    found = positions(outputs)
    steps = np.linalg.norm(np.diff(found, axis=0), axis=1)
    step = float(np.median(steps))
    across = [steps[edge - 1] / step for edge in edges]
    say(f'KITTI, T = {window}: steps at seams {np.round(across, 2)} of the median step')
    assert max(across) < 3
    assert not any(output.lost for output in outputs)


def test_seams_matter_on_these_frames(kitti, golden_small, monkeypatch):
    """Without alignment and blending there is a jump: the test above sees something."""
    monkeypatch.setattr(causal.SeamAligner, 'add', lambda *_: IDENTITY)
    monkeypatch.setattr(CausalEngine, '_blend_weight', lambda *_: 0.0)
    monkeypatch.setattr(Affine, 'relaxed', lambda self, _: self)
    config = StreamingConfig(mode='causal', window=16, input_size=70)
    session = StreamSession(golden_small, config)
    outputs = [session.step(frame) for frame in video_frames(np.ascontiguousarray(kitti[:40]))]
    changes = [float((b.disparity_HW - a.disparity_HW).abs().mean()) for a, b in pairwise(outputs)]
    edges = [n for n in range(1, len(outputs)) if outputs[n].segment != outputs[n - 1].segment]
    at_edges = [changes[edge - 1] for edge in edges]
    assert statistics.mean(at_edges) > 1.5 * statistics.median(changes)
