"""A frame waits for the device once; only where segments join is there a second time.

On a processor nothing waits, so what would is counted: every call that hands a value of a tensor
to Python, and every constant that is made on the host for the device.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from stream_helpers import images, video_frames
from torch.overrides import TorchFunctionMode

from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.segments import SegmentPlan

FROM_DEVICE = {'cpu', 'item', 'tolist', '__bool__', '__float__', '__int__', '__index__', 'nonzero'}
TO_DEVICE = {'new_tensor', 'as_tensor'}  # torch.tensor(..., device=...) is told by its argument


class Traffic(TorchFunctionMode):
    """Counts what crosses between host and device in code that would run on a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.constants: list[str] = []
        self._on_host: list[torch.Tensor] = []  # kept alive, so that no id comes twice

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, '__name__', '')
        named = kwargs or {}
        result = func(*args, **named)
        if name == 'cpu':
            result = result.clone()  # as it would be from another device: not the same object
        tensors = [x for x in _flat(args) if isinstance(x, torch.Tensor)]
        host = any(x is seen for x in tensors for seen in self._on_host)
        if name == 'cpu' or (host and name not in FROM_DEVICE):
            # What is computed of values on the host is on the host as well.
            self._on_host += [x for x in _flat([result]) if isinstance(x, torch.Tensor)]
        if name in FROM_DEVICE and not host:
            self.waits.append(name)
        by_list = name in ('__getitem__', '__setitem__') and isinstance(args[1], list)
        if (name in TO_DEVICE and not host) or by_list or (name == 'tensor' and 'device' in named):
            self.constants.append(name)
        return result


def _flat(things: Any) -> list[Any]:
    return [y for x in things for y in (_flat(x) if isinstance(x, list | tuple) else [x])]


def test_the_counter_counts() -> None:
    x = torch.arange(3.0)
    with Traffic() as traffic:
        x.cpu().numpy()
        float(x[0])
        bool(x.isfinite().all())
        x.cpu().add(1).tolist()  # already there
        x[[0, 1]]
        torch.tensor([1], device=x.device)
    assert traffic.waits == ['cpu', '__float__', '__bool__', 'cpu']
    assert traffic.constants == ['__getitem__', 'tensor']


@pytest.mark.parametrize('preprocessing', ['host', 'device'])
@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_one_wait_per_frame(tiny_model, mode: str, preprocessing: str) -> None:
    window = 8
    session = StreamSession(
        tiny_model,
        StreamingConfig(mode=mode, window=window, input_size=28, preprocessing=preprocessing),
    )
    plan = SegmentPlan.of(window)
    joined = 0
    for number, frame in enumerate(video_frames(images(20, (28, 42)))):
        with Traffic() as traffic:
            output = session.step(frame)
        assert output is not None
        if number == 0:
            continue  # tables are made
        shared = mode == 'causal' and len(traffic.waits) == 2
        joined += shared
        assert traffic.waits == ['cpu'] * (1 + shared), number
        assert traffic.constants == [], number
    segments = 1 + (19 - window) // plan.new_frames
    assert joined <= (segments + 1) * plan.shared if mode == 'causal' else joined == 0
