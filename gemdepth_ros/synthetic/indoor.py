"""A floor of a building: a corridor with rooms on both sides, furnished."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

from gemdepth_ros.synthetic import furniture
from gemdepth_ros.synthetic.motion import Actor
from gemdepth_ros.synthetic.primitives import Builder, Material, Spot
from gemdepth_ros.synthetic.roadside import person
from gemdepth_ros.synthetic.vehicles import mixed

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array
    from gemdepth_ros.synthetic.config import WorldConfig
    from gemdepth_ros.synthetic.motion import Actors

_WALL_M = 0.12
_START_M = -8.0
_DEEPEST_M = 7.0
_DOOR_M = (0.95, 2.05)
_CLEAR_M = 0.7
"""Furniture keeps this distance from the path."""


class Room:
    """A room beside the corridor, in the corridor's axes: x along it, y across.

    Attributes:
        x: from and to [m].
        y: from the corridor's wall to the back wall [m]; negative on the right.
        door_x: middle of the door [m].
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float], door_x: float) -> None:
        self.x, self.y, self.door_x = x, y, door_x

    @property
    def middle(self) -> tuple[float, float]:
        """Middle of the room."""
        return (self.x[0] + self.x[1]) / 2, (self.y[0] + self.y[1]) / 2

    @property
    def half(self) -> tuple[float, float]:
        """Half the room's sizes."""
        return (self.x[1] - self.x[0]) / 2, abs(self.y[1] - self.y[0]) / 2


class Floor:
    """Draws the rooms, a path through them, and what stands beside the path.

    Args:
        random: draws everything.
        config: its ranges.
        duration_s: of the drive.
    """

    def __init__(
        self, random: np.random.Generator, config: WorldConfig, duration_s: float
    ) -> None:
        self.builder = Builder()
        self._random = random
        self.width_m, self.height_m = random.uniform(1.7, 3.0), random.uniform(2.4, 3.1)
        self.speed_mps = random.uniform(*config.speed_mps)
        self.length_m = self.speed_mps * duration_s + random.uniform(12.0, 25.0)
        self.rooms = [room for side in (-1.0, 1.0) for room in self._row(side)]
        self.path = self._path()
        self._shell()
        for room in self.rooms:
            self._furnish(room)
        self._in_corridor()

    def _row(self, side: float) -> list[Room]:
        random, x, rooms = self._random, _START_M, []
        while x < self.length_m:
            length, depth = random.uniform((3.2, 3.0), (7.5, _DEEPEST_M))
            near = side * (self.width_m / 2 + _WALL_M)
            door = x + random.uniform(0.8, length - 0.8)
            rooms.append(Room((x, x + length), (near, near + side * depth), float(door)))
            x += length + _WALL_M
        return rooms

    def _path(self) -> Float64Array:
        """Return points of the way, float64 [K, 2]: along the corridor, in a room, or into one."""
        random = self._random
        ahead = [room for room in self.rooms if 2.0 < room.door_x < self.length_m - 4.0]
        kind = random.random()
        if kind < 0.4 and ahead:
            return self._loop(ahead[random.integers(len(ahead))])
        points = [(x, random.normal(0.0, 0.12)) for x in np.arange(-2.0, 2.5, 1.5)]
        if kind < 0.7 and ahead:
            room = ahead[random.integers(len(ahead))]
            door = room.door_x
            points = [(x, 0.0) for x in np.arange(-2.0, door - 1.2, 1.5)]
            side = math.copysign(1.0, room.y[0])
            points += [(door - 0.35, side * 0.25), (door, room.y[0])]
            points += [(door + 0.05, room.y[0] + side * 0.9), room.middle]
        else:
            points += [
                (x, random.normal(0.0, 0.15)) for x in np.arange(3.5, self.length_m - 1.5, 1.5)
            ]
        return np.array(points)

    def _loop(self, room: Room) -> Float64Array:
        """Return a curve around the middle of a room."""
        random = self._random
        angle = random.uniform(0, 2 * math.pi) + random.choice([-1.0, 1.0]) * np.linspace(0, 9, 13)
        reach = np.maximum(np.array(room.half) - 1.2, 0.25) * random.uniform(0.3, 0.8)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.asarray(np.array(room.middle) + reach * circle)

    def _shell(self) -> None:
        random = self._random
        wall = Material(
            mixed(random, (0.62, 0.6, 0.56), 0.25), grain=0.2, grain_m=0.02, opaque=False
        )
        boards = Material(
            mixed(random, (0.06, 0.04, 0.03), 0.2),
            second=mixed(random, (0.4, 0.28, 0.18), 0.5),
            period_m=(random.uniform(0.1, 0.9), random.uniform(0.1, 0.9)),
            share=(0.97, 0.97),
            bond=1.0,
            cell=random.uniform(0.0, 0.5),
            grain=0.5,
            grain_m=0.01,
        )
        middle = Spot((self.length_m + _START_M) / 2, 0.0)
        size = self.length_m + 40.0
        builder, height = self.builder, self.height_m
        builder.box(middle, (size, 30.0, 0.1), boards, base=-0.1)
        for _ in range(random.integers(0, 4)):
            x, y = self.path[random.integers(len(self.path))]
            length, width = random.uniform((1.0, 0.8), (2.6, 1.4))
            builder.box(Spot(x, y), (length, width, 0.008), furniture.cloth(random))
        ceiling = Material((0.8, 0.8, 0.78), grain=0.15, opaque=False)
        builder.box(middle, (size, 30.0, 0.1), ceiling, base=height)
        for x in np.arange(-6.0, self.length_m, 3.0):
            lamp = Material((1.0, 0.98, 0.9), grain=0.0, opaque=False)
            builder.box(Spot(x, 0.0), (1.2, 0.16, 0.05), lamp, base=height - 0.05)
        for room in self.rooms:
            self._walls(room, wall)
        end = Spot(self.length_m, 0.0)
        builder.box(end, (_WALL_M, self.width_m, height), wall)
        builder.box(Spot(_START_M, 0.0), (_WALL_M, self.width_m, height), wall)

    def _walls(self, room: Room, wall: Material) -> None:
        builder, height = self.builder, self.height_m
        side = math.copysign(1.0, room.y[0])
        front = room.y[0] - side * _WALL_M / 2
        wide, tall = _DOOR_M
        for first, last in (
            (room.x[0], room.door_x - wide / 2),
            (room.door_x + wide / 2, room.x[1] + _WALL_M),
        ):
            builder.box(Spot((first + last) / 2, front), (last - first, _WALL_M, height), wall)
        door = Spot(room.door_x, front)
        builder.box(door, (wide, _WALL_M, height - tall), wall, base=tall)
        frame = furniture.wood(self._random)
        for x in (-0.5, 0.5):
            builder.box(door.moved(x * wide, 0.0), (0.06, _WALL_M + 0.06, tall), frame)
        # As deep as the deepest room: a wall belongs to the rooms on both of its sides.
        depth = _DEEPEST_M
        middle_y = room.y[0] + side * depth / 2
        builder.box(Spot(room.x[1] + _WALL_M / 2, middle_y), (_WALL_M, depth, height), wall)
        if room.x[0] <= _START_M:
            first_wall = Spot(room.x[0] - _WALL_M / 2, middle_y)
            builder.box(first_wall, (_WALL_M, depth, height), wall)
        back = Spot(room.middle[0], room.y[1] + side * _WALL_M / 2)
        builder.box(back, (room.x[1] - room.x[0] + 0.2, _WALL_M, height), wall)
        if self._random.random() < 0.35:  # shut; the path is checked by its distance
            self._leaf(door, frame)
        self._pictures(room, side)

    def _leaf(self, door: Spot, frame: Material) -> None:
        if self._near_path(door.x, door.y) > 0.8:
            self.builder.box(door, (_DOOR_M[0], 0.05, _DOOR_M[1]), frame)
            handle = door.moved(0.38, 0.0)
            self.builder.box(handle, (0.12, 0.15, 0.03), Material((0.5, 0.5, 0.5)), base=1.05)

    def _pictures(self, room: Room, side: float) -> None:
        """Hang windows on the back wall and pictures on the others."""
        random, builder = self._random, self.builder
        bright = Material(
            (0.7, 0.7, 0.68),
            second=(1.1, 1.2, 1.35),
            period_m=(random.uniform(0.6, 1.2), 1.3),
            share=(0.92, 0.92),
            grain=0.05,
        )
        for turn in (0.0, math.pi):
            place = Spot(*room.middle, heading=turn).moved(room.half[0] - 0.01, 0.0)
            if random.random() < 0.7:
                ahead = random.uniform(-0.6, 0.6) * room.half[1]
                size = random.uniform((0.4, 0.3), (1.4, 0.9))
                hung = place.moved(0.0, ahead)
                builder.box(hung, (0.04, *size), furniture.cloth(random), base=1.2)
        back = Spot(room.middle[0], room.y[1] - side * 0.02)
        wide = random.uniform(0.4, 0.8) * 2 * room.half[0]
        builder.box(back, (wide, 0.06, 1.3), bright, base=0.9)
        for _ in range(random.integers(1, 4)):
            picture = furniture.cloth(random)
            x = random.uniform(room.x[0] + 0.5, room.x[1] - 0.5)
            size = random.uniform((0.3, 0.3), (1.1, 0.8))
            on_corridor = Spot(x, room.y[0] - side * (_WALL_M + 0.01))
            if abs(x - room.door_x) > 0.6 + size[0] / 2:
                builder.box(on_corridor, (size[0], 0.03, size[1]), picture, base=1.2)

    def _near_path(self, x: float, y: float) -> float:
        """Return the distance of a place to the way, about [m]."""
        first, step = self.path[:-1], np.diff(self.path, axis=0)
        part = ((np.array([x, y]) - first) * step).sum(axis=1) / (step**2).sum(axis=1)
        nearest = first + np.clip(part, 0.0, 1.0)[:, np.newaxis] * step
        return float(np.hypot(*(nearest - (x, y)).T).min())

    def _furnish(self, room: Room) -> None:
        random = self._random
        (x, y), (half_x, half_y) = room.middle, room.half
        for turn, ahead, off in (
            (0.0, half_x, half_y),
            (math.pi, half_x, half_y),
            (math.pi / 2, half_y, half_x),
            (-math.pi / 2, half_y, half_x),
        ):
            wall = Spot(x, y, heading=turn)
            for _ in range(random.integers(2, 6)):
                build = furniture.AT_WALLS[random.integers(len(furniture.AT_WALLS))]
                spot = wall.moved(random.uniform(-0.75, 0.75) * ahead, off - 0.4)
                self._put(build, spot, _CLEAR_M + 0.2)
        for _ in range(random.integers(1, 5)):
            build = furniture.FREE_STANDING[random.integers(len(furniture.FREE_STANDING))]
            place = Spot(x, y, heading=random.uniform(0, 6.3))
            spot = place.moved(*(random.uniform(-0.6, 0.6, 2) * min(half_x, half_y)))
            self._put(build, spot, _CLEAR_M + 0.4)

    def _put(self, build: furniture.Build, spot: Spot, clear: float) -> None:
        if self._near_path(spot.x, spot.y) > clear:
            build(self.builder, spot, self._random)

    def _in_corridor(self) -> None:
        random = self._random
        for x in np.arange(-4.0, self.length_m, random.uniform(2.0, 5.0)):
            side = random.choice([-1.0, 1.0])
            spot = Spot(x, side * (self.width_m / 2 - 0.25), heading=0.0 if side > 0 else math.pi)
            doors = min(abs(x - room.door_x) for room in self.rooms if room.y[0] * side > 0)
            if doors > 1.2:
                build = (furniture.plant, furniture.boxes, furniture.cabinet)[random.integers(3)]
                self._put(build, spot, 0.65)

    def people(self, actors: Actors) -> None:
        """Let some people walk in the corridor and stand in rooms."""
        random = self._random
        for _ in range(random.integers(0, 4)):
            left = random.choice([-1.0, 1.0]) * (self.width_m / 2 - 0.35)
            speed = random.choice([-1.0, 1.0]) * random.uniform(0.5, 1.3)
            actor = Actor(random.uniform(2.0, self.length_m), left, speed)
            person(self.builder, Spot(actor=actors.add(actor)), random)
        for room in self.rooms:
            spot = Spot(*room.middle, heading=random.uniform(0, 6.3))
            if random.random() < 0.3 and self._near_path(spot.x, spot.y) > 0.8:
                person(self.builder, spot, random)


class IndoorMotion:
    """A robot on its way, which also turns its head.

    Args:
        random: draws the manner.
        config: its ranges.
        floor: where it goes.
        duration_s: of the drive.
    """

    def __init__(
        self,
        random: np.random.Generator,
        config: WorldConfig,
        floor: Floor,
        duration_s: float,
    ) -> None:
        step = np.hypot(*np.diff(floor.path, axis=0).T)
        length = np.concatenate([[0.0], np.cumsum(step)])
        self._path = CubicSpline(length, floor.path)
        first = length[1] if length[-1] > 4.0 else 0.0
        room = max(length[-1] - first - 0.3, 0.1)
        start = first + random.uniform(0.0, max(0.0, room - floor.speed_mps * duration_s))
        self._start, self._room = float(start), float(length[-1] - start - 0.1)
        standing = str(random.choice(config.manoeuvres)) == 'stand'
        self._speed_mps = 0.0 if standing else floor.speed_mps
        self._pan = random.uniform(0.0, 0.25), random.uniform(0.3, 1.2)
        self._nod = math.radians(random.uniform(*config.nod_deg)) * np.array([1.0, 0.5])
        self._heave_m = random.uniform(*config.heave_m)
        self._beat = random.uniform((4.0, 2.0, 6.0), (7.0, 5.0, 11.0))

    def along(self, time_s: Float64Array | float) -> Float64Array:
        """Return the distance driven [m]; it slows down to a stop at the end of the way."""
        wanted = self._speed_mps * np.asarray(time_s, np.float64)
        slow = self._room * np.tanh(np.maximum(wanted / self._room - 0.7, 0.0) / 0.3) * 0.3
        return np.where(wanted < 0.7 * self._room, wanted, 0.7 * self._room + slow)

    def pose(self, time_s: float) -> Float64Array:
        """Return x, y, z [m], heading, downward pitch and roll [rad], float64 [6]."""
        place = self._start + float(self.along(time_s))
        x, y = self._path(place)
        dx, dy = self._path(place, 1)
        heading = math.atan2(dy, dx) + self._pan[0] * math.sin(self._pan[1] * time_s)
        moves = 1.0 if self._speed_mps > 0 else 0.0
        pitch, roll, heave = moves * np.sin(self._beat * time_s) * (*self._nod, self._heave_m)
        return np.array([x, y, heave, heading, pitch, roll])
