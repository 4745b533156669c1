"""Settings of the depth products and of the costmap clouds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.ranges import ABOVE_ZERO, Ranges


def _need(holds: bool, owner: object, names: tuple[str, ...], rule: str) -> None:
    if not holds:
        found = ', '.join(f'{name} = {getattr(owner, name)}' for name in names)
        raise ConfigError(f'need {rule}, got {found}')


@dataclass(frozen=True)
class DepthNoise:
    """What is assumed about the network's errors, beside the covariance of scale and shift.

    All three are standard deviations and are added as squares.

    Attributes:
        relative: of inverse depth, as a part of it.
        floor_per_m: of inverse depth everywhere [1/m]; 0.0005 is 1 % at 20 m, 4 % at 80 m.
        edge_px: how far the map may be displaced in the image [px]; multiplied by the slope of
            inverse depth, which makes depth at edges uncertain.
    """

    RANGES: ClassVar[Ranges] = {
        'relative': (0.0, None),
        'floor_per_m': (0.0, None),
        'edge_px': (0.0, None),
    }

    relative: float = 0.05
    floor_per_m: float = 0.0005
    edge_px: float = 0.5

    def __post_init__(self) -> None:
        for name in ('relative', 'floor_per_m', 'edge_px'):
            value = getattr(self, name)
            _need(math.isfinite(value) and value >= 0, self, (name,), f'a finite {name} >= 0')


@dataclass(frozen=True)
class EdgeFilter:
    """Which pixels hang between two surfaces ("flying pixels").

    Both must be true. Alone, the first would remove the road far ahead, the second thin noise.

    Attributes:
        jump: inverse depth changes by more than this part of its largest value in the window.
        plane_distance_m: the surface that the change would mean passes nearer than this to the
            camera: the ray would graze it. Infinity: the jump decides alone (relative depth).
        window: size of the window, odd [px].
    """

    RANGES: ClassVar[Ranges] = {
        'jump': (ABOVE_ZERO, 0.99),
        'plane_distance_m': (ABOVE_ZERO, None),
        'window': (3, None),
    }

    jump: float = 0.04
    plane_distance_m: float = 0.5
    window: int = 3

    def __post_init__(self) -> None:
        _need(0 < self.jump < 1, self, ('jump',), '0 < jump < 1')
        _need(self.plane_distance_m > 0, self, ('plane_distance_m',), 'plane_distance_m > 0')
        odd = self.window >= 3 and self.window % 2 == 1
        _need(odd, self, ('window',), 'an odd window >= 3')


@dataclass(frozen=True)
class CostmapClouds:
    """Points that mark obstacles and points that clear free space (Nav2, STVL).

    Heights are those of the base frame, whose origin is taken to be on the ground; ranges are
    distances from the camera.

    Attributes:
        min_height_m: lower points are ground [m].
        max_height_m: higher points are overhead and do not mark [m].
        min_range_m: nearer points do not mark [m].
        max_range_m: farther points do not mark [m].
        clearing_range_m: rays end here at the latest [m]; at least the costmap's
            ``raytrace_max_range``.
        mark_step: every n-th row and column may mark.
        clear_step: every n-th row and column clears.
        max_mark_points: largest size of the cloud that marks.
        max_clear_points: largest size of the cloud that clears.
        min_neighbours: a point marks only with this many of its eight neighbours near it;
            0 to 8; 0 turns the filter off.
        neighbour_distance: "near": depth differs by less than this part of it.
        max_relative_std: points whose depth is less certain do not mark; infinity: all do.
        clear_margin_m: rays to obstacles end this much before them [m].
        clear_margin_std: ... or this many standard deviations, if that is more.
    """

    RANGES: ClassVar[Ranges] = {
        'min_range_m': (0.0, None),
        'max_range_m': (ABOVE_ZERO, None),
        'clearing_range_m': (ABOVE_ZERO, None),
        'mark_step': (1, None),
        'clear_step': (1, None),
        'max_mark_points': (1, None),
        'max_clear_points': (1, None),
        'min_neighbours': (0, 8),
        'neighbour_distance': (ABOVE_ZERO, None),
        'max_relative_std': (ABOVE_ZERO, None),
        'clear_margin_m': (0.0, None),
        'clear_margin_std': (0.0, None),
    }

    min_height_m: float = 0.25
    max_height_m: float = 2.5
    min_range_m: float = 0.8
    max_range_m: float = 12.0
    clearing_range_m: float = 13.0
    mark_step: int = 2
    clear_step: int = 6
    max_mark_points: int = 20_000
    max_clear_points: int = 20_000
    min_neighbours: int = 2
    neighbour_distance: float = 0.05
    max_relative_std: float = math.inf
    clear_margin_m: float = 0.3
    clear_margin_std: float = 2.0

    def __post_init__(self) -> None:
        low, high = ('min_height_m', 'max_height_m'), ('min_range_m', 'max_range_m')
        heights_fit = self.min_height_m < self.max_height_m
        _need(heights_fit, self, low, 'min_height_m < max_height_m')
        _need(
            0 <= self.min_range_m < self.max_range_m, self, high, '0 <= min_range_m < max_range_m'
        )
        _need(
            self.max_range_m <= self.clearing_range_m < math.inf,
            self,
            ('max_range_m', 'clearing_range_m'),
            'max_range_m <= clearing_range_m < infinity, so that what is marked can be cleared',
        )
        for name in ('mark_step', 'clear_step', 'max_mark_points', 'max_clear_points'):
            _need(getattr(self, name) >= 1, self, (name,), f'{name} >= 1')
        for name in ('neighbour_distance', 'max_relative_std'):
            _need(getattr(self, name) > 0, self, (name,), f'{name} > 0')
        for name in ('clear_margin_m', 'clear_margin_std'):
            value = getattr(self, name)
            _need(math.isfinite(value) and value >= 0, self, (name,), f'a finite {name} >= 0')
        _need(0 <= self.min_neighbours <= 8, self, ('min_neighbours',), '0 <= min_neighbours <= 8')
