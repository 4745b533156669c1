"""report.png: image, disparity, cloud from above, trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.bags.clouds import read_cloud
from gemdepth_ros.bags.images import read_pixels, read_rgb
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.evidence import Evidence
from gemdepth_ros.cli.demonstration.summary import DemoSummary
from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, DOTS_PER_IN = 12.0, 6.6, 100
SKY_QUARTILES = 15.0
WARNING = 'random weights: this picture means nothing yet'


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame of the output bag.

    Attributes:
        image_rgb: uint8 [H, W, 3].
        disparity: float32 [H, W], in the network's unit, larger is nearer.
        xyz: float32 [N, 3] points in the optical frame.
        rgb: uint8 [N, 3] their colours.
    """

    image_rgb: UInt8Array
    disparity: Float32Array
    xyz: Float32Array
    rgb: UInt8Array


def read_moment(bag: Path, evidence: Evidence) -> Moment:
    """Return the middle one of the frames that were processed."""
    stamps = sorted(evidence.received_ns[topics.DEPTH])
    stamp_ns = stamps[len(stamps) // 2]
    wanted = {}
    with BagReader(bag) as reader:
        for item in reader.messages([topics.IMAGE, topics.DEPTH, topics.POINTS]):
            header = item.message.header.stamp
            if header.sec * 1_000_000_000 + header.nanosec == stamp_ns:
                wanted[item.topic] = item.message
    depth = read_pixels(wanted[topics.DEPTH]).astype(np.float32)
    cloud = read_cloud(wanted[topics.POINTS]).reshape(-1)
    xyz = np.stack([cloud[axis] for axis in 'xyz'], axis=1).astype(np.float32)
    finite = np.isfinite(xyz).all(axis=1)
    packed = cloud['rgb'].view(np.uint32)[finite]
    rgb = np.stack([(packed >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)
    with np.errstate(divide='ignore'):
        disparity = (1 / depth).astype(np.float32)
    return Moment(read_rgb(wanted[topics.IMAGE]), disparity, xyz[finite], rgb)


def write_report(file: Path, bag: Path, evidence: Evidence, summary: DemoSummary) -> None:
    """Draw the report.

    Args:
        file: the PNG to write.
        bag: the output bag.
        evidence: of that bag.
        summary: for the title.
    """
    # Not pyplot: it would ask for a display, and keep the figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    moment = read_moment(bag, evidence)
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DOTS_PER_IN, layout='constrained')
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.0, 2.0))
    figure.suptitle(
        _title(summary), fontsize=11, color='black' if summary.trained else 'firebrick'
    )
    _draw_image(figure.add_subplot(grid[0, 0]), moment)
    _draw_disparity(figure.add_subplot(grid[0, 1]), moment)
    _draw_cloud(figure.add_subplot(grid[1, 0]), moment)
    _draw_trajectory(
        figure.add_subplot(grid[1, 1]),
        evidence.trajectory(topics.ODOMETRY),
        evidence.trajectory(topics.GROUND_TRUTH),
    )
    figure.savefig(file)


def _title(summary: DemoSummary) -> str:
    frames = summary.frames
    text = (
        f'{summary.source}: {frames.processed} of {frames.published} frames processed, '
        f'{summary.network} network at {summary.network_size[0]}x{summary.network_size[1]}'
    )
    return text if summary.trained else f'{text}\n{WARNING}'


def _draw_image(axes: Axes, moment: Moment) -> None:
    axes.imshow(moment.image_rgb)
    axes.set_title('image', loc='left', fontsize=10)
    axes.set_axis_off()


def _draw_disparity(axes: Axes, moment: Moment) -> None:
    finite = moment.disparity[np.isfinite(moment.disparity)]
    low, high = np.percentile(finite, (2, 98)) if finite.size else (0.0, 1.0)
    axes.imshow(moment.disparity, cmap='inferno', vmin=low, vmax=high)
    axes.set_title('disparity (bright is near, no unit)', loc='left', fontsize=10)
    axes.set_axis_off()


def _draw_cloud(axes: Axes, moment: Moment) -> None:
    x, z = moment.xyz[:, 0], moment.xyz[:, 2]
    axes.set_title('cloud from above (relative depth, no unit)', loc='left', fontsize=10)
    axes.set_facecolor('0.12')
    axes.set_aspect('equal', adjustable='datalim')
    axes.set_xlabel('x, to the right')
    axes.set_ylabel('z, forward')
    if not z.size:
        return
    near = z <= far_end(z)
    axes.scatter(x[near], z[near], s=0.6, c=moment.rgb[near] / 255.0, linewidths=0)
    axes.plot(0, 0, marker='^', color='cyan', markersize=8)


def far_end(z: Float32Array) -> float:
    """Return up to which depth a cloud is worth looking at: without the sky, however much of it.

    The sky lies at the largest depth that there is, hundreds of times that of the rest.
    """
    things = z[z <= SKY_QUARTILES * np.percentile(z, 25)]
    return float(np.percentile(things, 95))


def _draw_trajectory(axes: Axes, motion: Float64Array, truth: Float64Array) -> None:
    axes.set_title('camera motion from above', loc='left', fontsize=10)
    axes.set_aspect('equal', adjustable='datalim')
    axes.grid(color='0.85')
    axes.set_xlabel('y, to the left')
    axes.set_ylabel('x, forward')
    axes.invert_xaxis()  # the left is on the left
    if not len(motion):
        return
    label, factor = 'node, its own unit', 1.0
    if len(truth):
        factor = scale_to(motion, truth)
        label = f'node, times {factor:.3g} (its scale is not known)'
        axes.plot(truth[:, 1], truth[:, 0], color='0.55', linewidth=4, label='ground truth [m]')
    axes.plot(factor * motion[:, 1], factor * motion[:, 0], color='tab:red', label=label)
    axes.plot(0, 0, marker='o', color='black')
    axes.legend(fontsize=8)


def scale_to(motion: Float64Array, truth: Float64Array) -> float:
    """Return the factor that gives a trajectory the extent of another: distances from the start.

    Not a fit of shape or direction: a wrong motion shall look wrong.
    """
    extents = [float(np.sqrt(np.mean(np.sum((p - p[0]) ** 2, axis=1)))) for p in (motion, truth)]
    return extents[1] / extents[0] if extents[0] > 0 else 1.0
