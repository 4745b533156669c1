"""Latency, rate and drops of a live run, as ros2_benchmark writes them.

Names and units of what ros2_benchmark (NVIDIA-ISAAC-ROS) has are its own: milliseconds, frames per
second, per cent. What it does not have stands under names of ours.
"""

from __future__ import annotations

import math
import os
import platform
from typing import Any

import numpy as np

from gemdepth_ros import __version__
from gemdepth_ros.cli.evaluation.through_ros.live import LiveRun
from gemdepth_ros.cli.evaluation.through_ros.recorded import RecordedPredictor
from gemdepth_ros.evaluation.result import EvaluationResult
from gemdepth_ros.interfaces import Float64Array


def latencies_ms(sent_ns: dict[int, int], answered_ns: dict[int, int]) -> Float64Array:
    """Return the time from an image to its depth, of frames whose both ends were seen [ms]."""
    stamps = sorted(sent_ns.keys() & answered_ns.keys())
    return np.array([(answered_ns[s] - sent_ns[s]) / 1e6 for s in stamps])


def measures(
    run: LiveRun, recorded: RecordedPredictor, result: EvaluationResult, rate: float
) -> dict[str, Any]:
    """Return the content of ``through_ros.json``.

    Args:
        run: what the processes came to.
        recorded: what was recorded of them.
        result: accuracy of what came out.
        rate: at which the bag was played.
    """
    latency = latencies_ms(recorded.sent_ns, recorded.answered_ns)
    return {
        **_basic(run.sent, recorded.sent_ns, recorded.answered_ns, latency),
        **_resources(run),
        **_node(run, latency),
        **_accuracy(result),
        'metadata': _metadata(run, result, rate),
    }


def _basic(
    sent: int, sent_ns: dict[int, int], answered_ns: dict[int, int], latency: Float64Array
) -> dict[str, Any]:
    starts = np.sort(np.array(list(sent_ns.values()), float)) / 1e6
    ends = np.sort(np.array(list(answered_ns.values()), float)) / 1e6
    jitter = np.abs(np.diff(np.diff(ends)))
    values = {
        'RECEIVED_DURATION': _span(ends),
        'MEAN_PLAYBACK_FRAME_RATE': _rate(starts),
        'MEAN_FRAME_RATE': _rate(ends),
        'NUM_MISSED_FRAMES': float(sent - len(ends)),
        'NUM_FRAMES_SENT': float(sent),
        'FIRST_INPUT_LATENCY': float(latency[0]) if latency.size else math.nan,
        'LAST_INPUT_LATENCY': float(latency[-1]) if latency.size else math.nan,
        'MAX_LATENCY': _of(latency, np.max),
        'MIN_LATENCY': _of(latency, np.min),
        'MEAN_LATENCY': _of(latency, np.mean),
        'MAX_JITTER': _of(jitter, np.max),
        'MIN_JITTER': _of(jitter, np.min),
        'MEAN_JITTER': _of(jitter, np.mean),
        'STD_DEV_JITTER': _of(jitter, np.std),
    }
    return {f'BasicPerformanceMetrics.{name}': _known(value) for name, value in values.items()}


def _resources(run: LiveRun) -> dict[str, Any]:
    usage = run.usage
    values = {
        'MEAN_OVERALL_CPU_UTILIZATION': usage.overall_percent,
        'MAX_OVERALL_CPU_UTILIZATION': usage.overall_max_percent,
    }
    return {f'ResourceMetrics.{name}': _known(value) for name, value in values.items()}


def _node(run: LiveRun, latency: Float64Array) -> dict[str, Any]:
    status, usage = run.status, run.usage
    values = {
        'P50_LATENCY': _of(latency, lambda v: np.percentile(v, 50)),
        'P99_LATENCY': _of(latency, lambda v: np.percentile(v, 99)),
        'CALLBACK_TO_PUBLISH_P50_LATENCY': float(status.latency_p50_ms),
        'CALLBACK_TO_PUBLISH_P99_LATENCY': float(status.latency_p99_ms),
        'MEAN_CPU_UTILIZATION': usage.mean_percent,  # of one core
        'MAX_CPU_UTILIZATION': usage.max_percent,
        'PEAK_MEMORY_MIB': usage.peak_mib,
        **{
            f'FRAMES_{name.upper()}': float(getattr(status, f'frames_{name}'))
            for name in ('received', 'processed', 'dropped', 'rejected', 'failed', 'pending')
        },
        'RESETS': float(status.resets),
        'PLAYER_MAX_LATENESS': 1e3 * run.late_s,
    }
    return {f'NodeMetrics.{name}': _known(value) for name, value in values.items()}


def _accuracy(result: EvaluationResult) -> dict[str, Any]:
    values: dict[str, float] = {}
    for protocol in result.protocols:
        for name in ('abs_rel', 'rmse', 'delta1'):
            values[f'{protocol.name}.{name.upper()}'] = getattr(protocol.mean, name)
        values[f'{protocol.name}.COVERAGE'] = protocol.coverage
        for baseline in protocol.baselines:
            key = f'{protocol.name}.{baseline.name.upper()}_ABS_REL'
            values[key] = baseline.mean.abs_rel
    for item in result.temporal:
        values[item.name.upper()] = item.percent
    if result.trajectory is not None:
        for errors in result.trajectory.errors:
            values[f'ATE_RMSE_M.{errors.alignment}'] = errors.ate_rmse_m
    return {f'AccuracyMetrics.{name}': _known(value) for name, value in values.items()}


def _metadata(run: LiveRun, result: EvaluationResult, rate: float) -> dict[str, Any]:
    status = run.status
    return {
        'name': 'gemdepth_ros through ROS',
        'version': __version__,
        'input_data_path': result.source.path,
        'input_frame_size': [result.source.width, result.source.height],
        'network_frame_size': [int(status.input_width), int(status.input_height)],
        'playback_rate': rate,
        'weights': status.weights,
        'trained': bool(status.trained),
        'mode': status.mode,
        'window': result.system.window,
        'settings': list(result.system.settings),
        'ros_distro': os.environ.get('ROS_DISTRO', ''),
        'rmw': os.environ.get('RMW_IMPLEMENTATION', 'default'),
        'cpu_cores': len(os.sched_getaffinity(0)),
        'cpu_architecture': platform.machine(),
        'kernel': platform.release(),
        'python': platform.python_version(),
        'latency': 'from the reception of an image to that of its depth, both in the recorder',
    }


def _of(values: Float64Array, measure: Any) -> float:
    return float(measure(values)) if values.size else math.nan


def _span(times_ms: Float64Array) -> float:
    return float(times_ms[-1] - times_ms[0]) if times_ms.size > 1 else math.nan


def _rate(times_ms: Float64Array) -> float:
    """N frames span N - 1 intervals."""
    span_ms = _span(times_ms)
    return (len(times_ms) - 1) / span_ms * 1e3 if span_ms > 0 else math.nan


def _known(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
