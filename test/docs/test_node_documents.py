"""The node's documents: drawing up to date, frames as in the code, figures as computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


def read(name: str) -> str:
    return (REPO / 'docs' / f'{name}.md').read_text()


def test_the_drawing_is_what_its_script_draws() -> None:
    command = [sys.executable, str(REPO / 'scripts' / 'draw_frames.py'), '--check']
    assert subprocess.run(command, check=False).returncode == 0


def test_the_memory_table_is_what_the_formula_gives() -> None:
    sys.path.insert(0, str(REPO / 'benchmarks'))
    try:
        import bench_memory_budget as budget
    finally:
        sys.path.remove(str(REPO / 'benchmarks'))
    from gemdepth_ros.inference.device import DTYPES
    from gemdepth_ros.inference.memory import stream_bytes
    from gemdepth_ros.inference.preprocessing import network_size
    from gemdepth_ros.model import GemDepthConfig

    profiles = sorted((REPO / 'config' / 'profiles').glob('*.yaml'))
    assert len(profiles) == 5
    for profile in profiles:
        values = budget.parameters_of(profile)
        preset, dtype = values['network.preset'], DTYPES[values['network.dtype']]
        streaming = budget.streaming_of(values)
        sizes = [network_size(*image, streaming.input_size) for image in budget.IMAGES.values()]
        held = [
            stream_bytes(GemDepthConfig.preset(preset), streaming, *size, dtype) / 1e6
            for size in sizes
        ]
        row = next(line for line in read('jetson').splitlines() if f'| {profile.stem} |' in line)
        cells = [cell.strip() for cell in row.split('|')[2:]]
        assert cells[:3] == [
            f'{preset}, {values["network.dtype"]}',
            f'{streaming.window}, {streaming.mode}',
            f'{sizes[0][1]}x{sizes[0][0]}',
        ]
        found = [float(cell) for cell in cells[3:6]]
        weights = budget.weights_bytes(preset, dtype)[1] / 1e6
        assert found == pytest.approx([weights, *held], rel=0.02)


@pytest.mark.ros
def test_frames_have_the_names_of_the_document() -> None:
    pytest.importorskip('rclpy')
    pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
    from gemdepth_ros.ros.node_config import NodeConfig
    from gemdepth_ros.ros.transforms import key_frame, leaf_frame

    document, drawing = read('frames_and_units'), (REPO / 'docs/images/frames.svg').read_text()
    names = (leaf_frame('<camera>'), NodeConfig().odom_frame, NodeConfig().base_frame)
    for name in names:
        assert f'`{name}`' in document
        assert name.replace('<', '&lt;').replace('>', '&gt;') in drawing
    assert key_frame('<camera>', 0).replace('0', '<slot>') in document
