"""Several cameras, one network: batches that change no result, faults that stay where they are."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gemdepth_ros.errors import ImageError
from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.inference.streaming import StreamSession
from gemdepth_ros.interfaces import Float32Array, ResetReason, VideoFrame
from gemdepth_ros.model import GemDepth, GemDepthConfig
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import DepthPipeline, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.network import NetworkPool, SharedNetwork

CONFIG = PipelineConfig(
    NetworkConfig(preset='tiny', weights='', device='cpu'),
    StreamingConfig(window=3, input_size=56),
)
PERIOD_NS = 100_000_000


@pytest.fixture(autouse=True)
def tiny_preset(tiny_config: GemDepthConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)


def frame(camera: int, number: int, size: tuple[int, int] = (60, 80)) -> VideoFrame:
    rng = np.random.default_rng(100 * camera + number)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    return VideoFrame(image, number * PERIOD_NS, f'camera{camera}')


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Run actions on threads of their own; return results or errors in order."""
    results: list[Any] = [None] * len(actions)

    def run(index: int) -> None:
        try:
            results[index] = actions[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def depths(pipeline: DepthPipeline, camera: int, count: int) -> list[Float32Array | None]:
    return [pipeline.process(frame(camera, n)).relative_depth for n in range(count)]


def test_cameras_share_batches_and_get_what_they_would_have_got_alone() -> None:
    pool = NetworkPool(wait_s=1.0)
    cameras = [DepthPipeline(CONFIG, pool.get(CONFIG.network)) for _ in range(3)]
    found = together(*(lambda c=c, p=p: depths(p, c, 3) for c, p in enumerate(cameras)))
    assert pool.get(CONFIG.network).batches == {3: 3}
    for camera, results in enumerate(found):
        alone = DepthPipeline(CONFIG)
        for ours, expected in zip(results, depths(alone, camera, 3), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=2e-4)


def test_a_camera_that_is_alone_does_not_wait_long() -> None:
    network = SharedNetwork(CONFIG.network, wait_s=0.01)
    here, _silent = DepthPipeline(CONFIG, network), DepthPipeline(CONFIG, network)
    assert here.process(frame(0, 0)).relative_depth is not None
    assert network.batches == {1: 1}


def test_images_of_different_sizes_share_the_network() -> None:
    network = SharedNetwork(CONFIG.network, wait_s=1.0)
    wide, high = DepthPipeline(CONFIG, network), DepthPipeline(CONFIG, network)
    first, second = together(
        lambda: wide.process(frame(0, 0, (40, 80))), lambda: high.process(frame(1, 0, (80, 40)))
    )
    assert first.relative_depth.shape == (40, 80)
    assert second.relative_depth.shape == (80, 40)


def test_a_fault_stays_with_its_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SharedNetwork(CONFIG.network, wait_s=1.0)
    good, bad = DepthPipeline(CONFIG, network), DepthPipeline(CONFIG, network)
    finish = StreamSession.finish

    def spoiled(session: StreamSession, frame: VideoFrame, levels: Any) -> Any:
        if session is bad._session:
            raise ZeroDivisionError('a bug')
        return finish(session, frame, levels)

    monkeypatch.setattr(StreamSession, 'finish', spoiled)
    output, error = together(lambda: good.process(frame(0, 0)), lambda: bad.process(frame(1, 0)))
    assert output.relative_depth is not None
    assert isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize(
    'fault', [ImageError('too large: lower input_size'), ZeroDivisionError('a bug')]
)
@pytest.mark.parametrize('healthy', [1, 2])
def test_an_image_that_cannot_be_prepared_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, healthy: int
) -> None:
    network = SharedNetwork(CONFIG.network, wait_s=1.0)
    bad, *others = (DepthPipeline(CONFIG, network) for _ in range(1 + healthy))
    prepare = StreamSession.prepare

    def spoiled(session: StreamSession, frame: VideoFrame) -> Any:
        if session is bad._session:
            raise fault
        return prepare(session, frame)

    with monkeypatch.context() as patch:
        patch.setattr(StreamSession, 'prepare', spoiled)
        error, *found = together(
            *(lambda c=c, p=p: p.process(frame(c, 0)) for c, p in enumerate([bad, *others]))
        )
    assert network.batches == {1 + healthy: 1}, 'they were worked on together'
    assert error is fault
    for camera, output in enumerate(found, 1):
        alone = DepthPipeline(CONFIG).process(frame(camera, 0))
        np.testing.assert_allclose(output.relative_depth, alone.relative_depth, rtol=2e-4)
    assert bad.process(frame(0, 1)).relative_depth is not None, 'its next image is welcome'


def test_a_batch_that_does_not_fit_makes_every_stream_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = SharedNetwork(CONFIG.network, wait_s=1.0)
    cameras = [DepthPipeline(CONFIG, network) for _ in range(2)]
    encode, calls = GemDepth.encode, []

    def limited(model: GemDepth, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise MemoryError
        return encode(model, *arguments)

    monkeypatch.setattr(GemDepth, 'encode', limited)
    outputs = together(*(lambda c=c, p=p: p.process(frame(c, 0)) for c, p in enumerate(cameras)))
    assert [output.reset for output in outputs] == [ResetReason.DEVICE_MEMORY] * 2
    assert {camera.fallback for camera in cameras} == {'streaming.window 3 -> 2'}


def test_the_pool_loads_once_and_frees_with_the_last_pipeline() -> None:
    pool = NetworkPool()
    first, second = (DepthPipeline(CONFIG, pool.get(CONFIG.network)) for _ in range(2))
    assert first._model is second._model
    other = NetworkConfig(preset='tiny', weights='', device='cpu', dtype='float32')
    assert pool.get(other).model is not first._model
    model = weakref.ref(first._model)
    first.close()
    gc.collect()
    assert model() is not None
    second.close()
    gc.collect()
    assert model() is None
