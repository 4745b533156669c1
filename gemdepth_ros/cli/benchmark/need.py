"""What a case needs by the formula, to stand beside what was measured."""

from __future__ import annotations

from typing import cast

from gemdepth_ros.cli.benchmark.cases import STREAM_MODES, Case
from gemdepth_ros.cli.benchmark.pictures import image_for
from gemdepth_ros.inference.config import StreamingConfig, StreamMode
from gemdepth_ros.inference.device import DTYPES
from gemdepth_ros.inference.memory_need import MemoryNeed, offline_need, stream_need
from gemdepth_ros.model.vda_config import model_config


def need_of(case: Case) -> MemoryNeed | None:
    """Return the need of a case; None for the forms that are there to compare with."""
    config, dtype = model_config(case.preset), DTYPES[case.precision]
    image, input_size = image_for(case.size)
    if case.mode in STREAM_MODES:
        mode = cast(StreamMode, case.mode)
        streaming = StreamingConfig(mode=mode, window=case.window, input_size=input_size)
        return stream_need(config, streaming, case.size, dtype)
    if case.mode == 'offline':
        return offline_need(config, case.window, case.size, image, dtype)
    return None
