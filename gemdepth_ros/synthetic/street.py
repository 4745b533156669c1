"""What stands and drives along a road: the layout of a driving scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gemdepth_ros.synthetic import buildings, roadside, vehicles
from gemdepth_ros.synthetic.motion import Actor, Actors, EgoMotion
from gemdepth_ros.synthetic.primitives import Builder, Material, Spot

if TYPE_CHECKING:
    import numpy as np

    from gemdepth_ros.synthetic.config import WorldConfig
    from gemdepth_ros.synthetic.road import Road

_BEHIND_M = -40.0
_AHEAD_M = 180.0


@dataclass(frozen=True)
class CrossSection:
    """The road from its centre line outwards.

    Attributes:
        side: -1 where traffic keeps right, 1 where it keeps left.
        lane_m: width of a lane.
        lanes: lanes per direction.
        half_width_m: from the centre line to the kerb.
        parking: whether there is room for parked cars on our and on the other side.
        pavement_m: width of the pavement.
    """

    side: float
    lane_m: float
    lanes: int
    half_width_m: float
    parking: tuple[bool, bool]
    pavement_m: float

    @property
    def ego_m(self) -> float:
        """Lateral place of the lane in which the camera drives."""
        return self.side * self.lane_m * (self.lanes - 0.5)


def make_cross_section(
    random: np.random.Generator, config: WorldConfig, style: str
) -> CrossSection:
    """Draw the widths of a road."""
    side = 1.0 if random.random() < config.left_hand_share else -1.0
    lane = random.uniform(2.9, 3.7)
    lanes = 2 if style == 'highway' or (style == 'city' and random.random() < 0.2) else 1
    parks = style in ('city', 'suburb')
    parking = (bool(parks and random.random() < 0.75), bool(parks and random.random() < 0.75))
    half = lanes * lane + random.uniform(0.2, 0.6)
    half += 2.1 if any(parking) else 0.0
    pavement = random.uniform(1.3, 4.0) if parks else random.uniform(0.5, 2.0)
    return CrossSection(side, lane, lanes, half, parking, pavement)


class Street:
    """Fills a builder and the actors with everything along a road."""

    def __init__(
        self,
        random: np.random.Generator,
        config: WorldConfig,
        style: str,
        road: Road,
        section: CrossSection,
        ego: EgoMotion,
        duration_s: float,
    ) -> None:
        self.builder = Builder()
        self.actors = Actors(road, ego)
        self._random, self._config, self._style = random, config, style
        self._road, self._section, self._ego = road, section, ego
        self._duration_s = duration_s
        self._end_m = float(ego.along(duration_s)) + _AHEAD_M
        self._green = roadside.foliage(random)
        self._fill()

    def _fill(self) -> None:
        for side in (-1.0, 1.0):
            self._frontage(side)
            self._pavement(side)
        self._parked(0)
        self._parked(1)
        self._lead()
        self._oncoming()
        self._people()
        self._bridges()
        self._backdrop()

    def _spot(self, along: float, left: float, turn: float = 0.0) -> Spot:
        x, y, heading = self._road.at(along, left)
        return Spot(float(x), float(y), 0.0, float(heading) + turn)

    def _free(self, spot: Spot, radius: float) -> bool:
        """Return whether a disc is clear of the road; on the inside of a bend it may not be."""
        return self._road.distance(spot.x, spot.y) > self._section.half_width_m + radius

    def _outward(self, along: float, side: float, off: float) -> Spot:
        """Return a spot ``off`` metres outside the kerb whose left points away from the road."""
        left = side * (self._section.half_width_m + off)
        return self._spot(along, left, 0.0 if side > 0 else math.pi)

    def _frontage(self, side: float) -> None:
        random, along = self._random, _BEHIND_M + self._random.uniform(0.0, 10.0)
        setback = (
            self._section.pavement_m
            + {
                'city': random.uniform(0.0, 3.0),
                'suburb': random.uniform(2.5, 9.0),
                'rural': random.uniform(3.0, 15.0),
                'highway': random.uniform(4.0, 15.0),
            }[self._style]
        )
        tall = random.uniform(7.0, 18.0)
        while along < self._end_m:
            length = random.uniform(9.0, 22.0)
            off = setback + random.uniform(0.0, 2.5)
            if self._style == 'city' and random.random() < 0.85:
                size = length, random.uniform(9.0, 14.0), tall * random.uniform(0.6, 1.5)
                self._block(along + length / 2, side, off, size)
                length += random.choice([0.0, 0.0, 0.0, 3.0, 9.0])
            elif self._style in ('city', 'suburb') and random.random() < 0.85:
                self._house(along + length / 2, side, off)
            else:
                self._wild(along, length, side, setback)
            along += length

    def _block(
        self, along: float, side: float, off: float, size: tuple[float, float, float]
    ) -> None:
        spot = self._outward(along, side, off)
        corners = [spot.moved(a * size[0] / 2, b) for a in (-1, 0, 1) for b in (0.0, size[1])]
        if all(self._free(corner, 0.8) for corner in corners):
            buildings.block(self.builder, spot, self._random, size)

    def _house(self, along: float, side: float, off: float) -> None:
        random = self._random
        spot = self._outward(along, side, off + random.uniform(0.0, 4.0))
        middle = spot.moved(0.0, 6.0)
        if self._free(middle, 9.5):
            buildings.house(self.builder, spot, random)
        if random.random() < 0.6:
            hedge = self._outward(along, side, self._section.pavement_m + 0.5)
            length = random.uniform(4.0, 11.0)
            if self._free(hedge, 0.4) and self._free(hedge.moved(0.0, 8.0), 0.4):
                buildings.garden_wall(self.builder, hedge, random, length, self._green)
        for _ in range(random.integers(0, 3)):
            self._plant(along + random.uniform(-9.0, 9.0), side, random.uniform(2.0, 12.0))

    def _wild(self, along: float, length: float, side: float, setback: float) -> None:
        random = self._random
        for _ in range(random.integers(1, 8)):
            off = setback + random.exponential(7.0)
            self._plant(along + random.uniform(0.0, length), side, off)

    def _plant(self, along: float, side: float, off: float) -> None:
        spot = self._outward(along, side, off)
        if self._free(spot, 1.0):
            build = roadside.tree if self._random.random() < 0.7 else roadside.bush
            build(self.builder, spot, self._random)

    def _pavement(self, side: float) -> None:
        """Poles, trees, signs and small things in a row near the kerb."""
        random = self._random
        trees = random.random() < 0.5
        spacing = random.uniform(16.0, 40.0)
        along = _BEHIND_M
        while along < self._end_m:
            along += random.uniform(2.0, 9.0)
            spot = self._outward(along, side, random.uniform(0.4, 0.9))
            kind = random.random()
            facing = self._spot_facing(spot, side)
            if not self._free(spot, 0.2):
                continue
            if kind < 0.2 and trees:
                roadside.tree(self.builder, spot, random)
            elif kind < 0.4:
                roadside.small_thing(self.builder, spot, random)
            elif kind < 0.55:
                roadside.sign(self.builder, facing, random)
            elif kind < 0.6:
                roadside.traffic_light(self.builder, facing, random)
            elif kind < 0.68 and self._section.pavement_m > 1.5:
                far = spot.moved(0.0, random.uniform(1.0, 6.0))
                roadside.board(self.builder, self._spot_facing(far, side), random)
        for lamp in range(int(_BEHIND_M), int(self._end_m), int(spacing)):
            spot = self._outward(float(lamp), side, 0.6)
            if self._free(spot, 0.1) and random.random() < 0.8:
                roadside.lamp(self.builder, spot, random, reach=-random.uniform(1.0, 2.5))
        if self._style == 'highway':
            self._rail(side)

    def _spot_facing(self, spot: Spot, side: float) -> Spot:
        """Return the spot turned so that signs face traffic of its side."""
        own = side == self._section.side
        turn = 0.0 if side > 0 else math.pi
        return spot.moved(0.0, 0.0, turn if own else turn + math.pi)

    def _rail(self, side: float) -> None:
        metal = Material((0.4, 0.41, 0.42), grain=0.4)
        for along in range(int(_BEHIND_M), int(self._end_m), 4):
            spot = self._outward(along + 2.0, side, 0.5)
            if self._free(spot, 0.1):
                self.builder.box(spot, (4.05, 0.08, 0.3), metal, base=0.45)
                self.builder.box(spot.moved(2.0, 0.1), (0.1, 0.1, 0.75), metal)

    def _parked(self, which: int) -> None:
        if not self._section.parking[which]:
            return
        random = self._random
        side = self._section.side * (1.0 if which == 0 else -1.0)
        along = _BEHIND_M + random.uniform(0.0, 8.0)
        gap = random.uniform(1.0, 25.0) / self._config.traffic
        while along < self._end_m:
            left = side * (self._section.half_width_m - random.uniform(1.0, 1.2))
            turn = random.normal(0.0, 0.02) + (0.0 if which == 0 else math.pi)
            spot = self._spot(along + 2.5, left, turn)
            length = vehicles.car if random.random() < 0.85 else vehicles.van
            along += length(self.builder, spot, random) + random.exponential(gap) + 0.6

    def _actor(self, actor: Actor) -> Spot:
        return Spot(actor=self.actors.add(actor))

    def _lead(self) -> None:
        """Cars ahead in our lane, which do what we do a little earlier."""
        random, section = self._random, self._section
        if random.random() < self._config.lead_share:
            delay = random.uniform(0.5, 1.5)
            gap = float(self._ego.along(delay)) + random.uniform(7.0, 18.0)
            while gap < 90.0:
                spot = self._actor(Actor(gap, section.ego_m, ahead_s=delay))
                gap += vehicles.vehicle(self.builder, spot, random) + random.uniform(5.0, 40.0)
        if section.lanes > 1:
            along = random.uniform(-30.0, 20.0)
            left = section.side * section.lane_m / 2
            while along < 150.0:
                speed = self._ego.cruise_mps * random.uniform(1.0, 1.25)
                spot = self._actor(Actor(along, left, speed))
                vehicles.vehicle(self.builder, spot, random)
                along += random.uniform(14.0, 60.0)

    def _oncoming(self) -> None:
        random, section = self._random, self._section
        speed = max(5.0, self._ego.cruise_mps) * random.uniform(0.7, 1.2)
        reach = self._end_m + speed * self._duration_s
        for lane in range(section.lanes):
            along = random.uniform(5.0, 40.0)
            left = -section.side * section.lane_m * (lane + 0.5)
            while along < reach:
                spot = self._actor(Actor(along, left, -speed))
                vehicles.vehicle(self.builder, spot, random)
                along += random.uniform(10.0, 90.0) / self._config.traffic

    def _people(self) -> None:
        random = self._random
        rate = {'city': 0.08, 'suburb': 0.03, 'rural': 0.004, 'highway': 0.0}[self._style]
        for _ in range(random.poisson(rate * self._end_m * self._config.traffic)):
            along, side = random.uniform(_BEHIND_M, self._end_m), random.choice([-1.0, 1.0])
            inside = min(self._section.pavement_m - 0.3, 0.9)
            left = side * (self._section.half_width_m + random.uniform(inside, 1.2))
            chance = random.random()
            if chance < 0.3:
                spot = self._spot(along, left, random.uniform(0, 6.3))
            elif chance < 0.9:
                spot = self._actor(Actor(along, left, random.normal(0.0, 1.2)))
            else:
                speed = random.choice([-1.0, 1.0]) * random.uniform(3.0, 6.0)
                lane = -math.copysign(1.0, speed) * -self._section.side
                left = lane * (self._section.half_width_m - 0.7)
                if self._section.parking[0] or self._section.parking[1]:
                    continue
                spot = self._actor(Actor(along, left, speed))
                vehicles.bicycle(self.builder, spot, random)
                spot = Spot(z=0.35, actor=spot.actor)
            roadside.person(self.builder, spot, random)

    def _bridges(self) -> None:
        along = self._random.uniform(15.0, 60.0)
        while along < self._end_m and self._random.random() < self._config.bridge_share:
            spot = self._spot(along, 0.0)
            buildings.bridge(self.builder, spot, self._random, self._section.half_width_m)
            along += self._random.uniform(60.0, 250.0)

    def _backdrop(self) -> None:
        """What closes the view: hills, or a skyline behind the first row."""
        random = self._random
        for _ in range(random.integers(4, 12)):
            along = random.uniform(-50.0, self._end_m + 80.0)
            side = random.choice([-1.0, 1.0])
            spot = self._outward(along, side, random.uniform(60.0, 160.0))
            if self._style in ('rural', 'highway') or random.random() < 0.3:
                if self._free(spot, 130.0):
                    roadside.hill(self.builder, spot, random)
            elif self._free(spot, 50.0):
                size = random.uniform((15.0, 15.0, 12.0), (35.0, 25.0, 45.0))
                buildings.block(self.builder, spot, random, (size[0], size[1], size[2]))
