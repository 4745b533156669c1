"""Pictures of docs/grounding.md.

python benchmarks/plot_grounding.py [--shared ../shared] [--out docs/images]
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use('Agg')

import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'test' / 'grounding'))

import grounding_cases as cases  # noqa: E402
import grounding_kitti as kitti  # noqa: E402
from grounding_worlds import World  # noqa: E402

COLOURS = ('#0072b2', '#d55e00', '#009e73')


def save(figure: plt.Figure, folder: Path, name: str) -> None:
    """Write one picture."""
    figure.tight_layout()
    figure.savefig(folder / f'grounding_{name}.png', dpi=90)
    plt.close(figure)


def plane_trap(folder: Path) -> None:
    """Recovered depth with a pitch that is wrong by a degree, and what the state says of it."""
    depth = np.linspace(4, 60, 200)
    world = World(sources=('ground_plane',), frames=40)
    variants = (
        ('pitch right, confirmed by motion', 0.0, cases.config('ground_plane')),
        ('1 deg wrong, trusted blindly', 1.0, cases.config('ground_plane', **cases.FLAT)),
        ('1 deg wrong, motion checks it', 1.0, cases.config('ground_plane')),
    )
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    for (label, degrees, settings), colour in zip(variants, COLOURS, strict=True):
        wrong = replace(world, pitch_error_rad=math.radians(degrees))
        state, truth, _ = cases.world_run(wrong, settings)
        inverse = (truth.scale / depth + truth.shift - state.shift) / state.scale
        covariance = np.array(state.covariance).reshape(3, 3)[:2, :2]
        rows = np.stack([truth.scale / depth + truth.shift, -np.ones_like(depth)])
        std = np.sqrt(np.einsum('in,ij,jn->n', rows, covariance, rows))
        says = 'metric' if state.metric else 'not metric'
        axis.plot(depth, 1 / inverse, color=colour, label=f'{label}: {says}')
        low = 1 / (inverse + 2 * std)
        high = 1 / np.maximum(inverse - 2 * std, 1e-3)
        axis.fill_between(depth, low, np.minimum(high, 200), color=colour, alpha=0.15, lw=0)
    axis.plot(depth, depth, 'k:', lw=1)
    axis.set(xlabel='true depth [m]', ylabel='recovered depth [m]', xlim=(4, 60), ylim=(0, 100))
    axis.legend(fontsize=8, loc='upper left')
    axis.set_title('ground plane alone; bands: two stated standard deviations', fontsize=9)
    save(figure, folder, 'plane_trap')


def traffic(folder: Path, data: Path) -> None:
    """Error and stated standard deviation over the clip that brakes to a standstill."""
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.2), sharey=True)
    for axis, sensor, colour in zip(axes, ('1 %', '16 rings', '1 ring'), COLOURS, strict=True):
        recipe = kitti.Recipe(sensor, noise=0.03, smooth=0.05)
        errors, states = cases.traffic_errors(data, recipe, cases.config('lidar'))
        axis.plot(np.array(errors) * 100, color=colour, label='AbsRel, held-out points')
        stated = [100 * state.depth_std_at_20m for state in states]
        axis.plot(stated, color='gray', ls='--', label='stated std at 20 m')
        axis.axvspan(kitti.STANDSTILL, kitti.FRAMES - 1, color='k', alpha=0.08, lw=0)
        axis.set_title(f'LiDAR: {sensor}', fontsize=9)
        axis.set_xlabel('frame (gray: standing)')
    axes[0].set(ylabel='%', ylim=(0, None))
    axes[0].legend(fontsize=8)
    save(figure, folder, 'traffic_lidar')


def speed(folder: Path, data: Path) -> None:
    """How fast tracks and odometry find scale and shift."""
    affine, factor = (8.0, 0.3), 2.5
    estimator = cases.GroundingEstimator(cases.config('parallax', 'odometry'))
    values = []
    for given, _ in kitti.speed_clip(data, 40, affine, factor, 0.03):
        state = estimator.update(given)
        values.append(
            (
                state.scale / affine[0],
                state.scale_std / affine[0],
                (state.shift - affine[1]) / affine[0] * 20,
                state.shift_std / affine[0] * 20,
                state.translation_factor / factor,
                state.translation_factor_std / factor,
            )
        )
    table = np.array(values).T
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9))
    names = ('scale / truth', 'shift error at 20 m', 'factor / truth')
    for axis, name, row, true in zip(axes, names, range(0, 6, 2), (1, 0, 1), strict=True):
        frames = np.arange(table.shape[1])
        axis.plot(frames, table[row], color=COLOURS[0])
        low, high = table[row] - 2 * table[row + 1], table[row] + 2 * table[row + 1]
        axis.fill_between(frames, low, high, color=COLOURS[0], alpha=0.2, lw=0)
        axis.axhline(true, color='k', ls=':', lw=1)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel('frame')
        axis.set_ylim(true - 0.25, true + 0.25)
    save(figure, folder, 'speed')


def main() -> None:
    """Make all pictures that the data at hand allows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--shared', type=Path, default=HERE.parent.parent / 'shared')
    parser.add_argument('--out', type=Path, default=HERE.parent / 'docs' / 'images')
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    plane_trap(arguments.out)
    for draw, name in ((traffic, 'kitti_traffic'), (speed, 'kitti_odometry')):
        data = arguments.shared / 'data' / name
        if data.is_dir():
            draw(arguments.out, data)
        else:
            print(f'skipped {name}: not there')


if __name__ == '__main__':
    main()
