"""The solids a scene is made of, as rows of a table, and the materials on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gemdepth_ros.interfaces import Float64Array

BOX, TAPERED, CYLINDER, ELLIPSOID = range(4)
Colour = tuple[float, float, float]
_PATTERNED = -1.0


@dataclass(frozen=True)
class Material:
    """A colour with a pattern of a second one: windows, bricks, planks, stripes.

    Attributes:
        colour: red, green, blue in 0 .. 1, linear light.
        second: colour of the pattern's cells.
        top: colour of faces that look up; None: they have the pattern too.
        period_m: size of a pattern's cell across and upwards [m].
        share: part of the period that the cell fills; 2 fills it without gaps; 0 for none.
        bond: whether every other row is shifted by half a cell.
        cell: how much the cells differ in brightness.
        grain: contrast of the noise.
        grain_m: size of the noise's smallest grain [m].
        gloss: part of the sky that is mirrored on the cells.
        opaque: whether it keeps the sun's light away; a ceiling must not.
    """

    colour: Colour
    second: Colour = (0.0, 0.0, 0.0)
    top: Colour | None = None
    period_m: tuple[float, float] = (1.0, 1.0)
    share: tuple[float, float] = (0.0, 0.0)
    bond: float = 0.0
    cell: float = 0.0
    grain: float = 0.5
    grain_m: float = 0.02
    gloss: float = 0.0
    opaque: bool = True

    def row(self) -> list[float]:
        """Return the columns ``MATERIAL_COLUMNS`` of the table."""
        top = (_PATTERNED,) * 3 if self.top is None else self.top
        pattern = (*self.period_m, *self.share, self.bond, self.cell)
        return [
            *self.colour,
            *self.second,
            *top,
            *pattern,
            self.grain,
            math.log2(self.grain_m),
            self.gloss,
        ]


MATERIAL_COLUMNS = 18


@dataclass(frozen=True)
class Spot:
    """A place to build at: x, y, z [m], heading [rad], and the actor that carries it (0: none)."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    heading: float = 0.0
    actor: int = 0

    def moved(self, ahead: float, left: float, turn: float = 0.0) -> Spot:
        """Return the spot that lies ahead and to the left of this one."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return replace(
            self,
            x=self.x + cos * ahead - sin * left,
            y=self.y + sin * ahead + cos * left,
            heading=self.heading + turn,
        )


class Builder:
    """Collects solids. Sizes are whole lengths; ``base`` is the lower end above the spot."""

    def __init__(self) -> None:
        self._solids: list[list[float]] = []
        self._materials: list[list[float]] = []

    def box(
        self,
        spot: Spot,
        size: tuple[float, float, float],
        material: Material,
        *,
        base: float = 0.0,
        taper: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Add a box (length ahead, width, height); ``taper`` is how far each side leans inwards.

        The lean is in metres from the foot to the top, so (0, width / 2) is a gable roof.
        """
        height = size[2]
        lean = (taper[0] / height, taper[1] / height)
        # The table has the half sizes at half height.
        half = (size[0] / 2 - taper[0] / 2, size[1] / 2 - taper[1] / 2, height / 2)
        kind = TAPERED if taper != (0.0, 0.0) else BOX
        self._add(kind, spot, base + height / 2, half, lean, material)

    def cylinder(
        self, spot: Spot, radius: float, height: float, material: Material, *, base: float = 0.0
    ) -> None:
        """Add an upright cylinder."""
        half = (radius, radius, height / 2)
        self._add(CYLINDER, spot, base + height / 2, half, (0.0, 0.0), material)

    def ellipsoid(
        self,
        spot: Spot,
        size: tuple[float, float, float],
        material: Material,
        *,
        base: float = 0.0,
    ) -> None:
        """Add an ellipsoid of a length, width and height."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(ELLIPSOID, spot, base + half[2], half, (0.0, 0.0), material)

    def _add(
        self,
        kind: int,
        spot: Spot,
        z: float,
        half: tuple[float, float, float],
        lean: tuple[float, float],
        material: Material,
    ) -> None:
        place = [spot.x, spot.y, spot.z + z, spot.heading]
        self._solids.append([kind, spot.actor, *place, *half, *lean, material.opaque])
        self._materials.append(material.row())

    def build(self) -> Solids:
        """Return the table of all solids."""
        table = np.array(self._solids, np.float64).reshape(-1, 12)
        return Solids(
            kind=table[:, 0].astype(np.int64),
            actor=table[:, 1].astype(np.int64),
            place=table[:, 2:6],
            half=table[:, 6:9],
            lean=table[:, 9:11],
            opaque=table[:, 11] > 0,
            material=np.array(self._materials, np.float32).reshape(-1, MATERIAL_COLUMNS),
        )


@dataclass(frozen=True, eq=False)
class Solids:
    """The table.

    Attributes:
        kind: int64 [P].
        actor: int64 [P], 0 for what stands.
        place: float64 [P, 4]: x, y, z [m] and heading [rad] at the actor or in the scene.
        half: float64 [P, 3], half sizes at half height [m].
        lean: float64 [P, 2], inward lean of the sides per metre of height.
        opaque: bool [P], whether it casts a shadow.
        material: float32 [P, MATERIAL_COLUMNS].
    """

    kind: np.ndarray[tuple[int], np.dtype[np.int64]]
    actor: np.ndarray[tuple[int], np.dtype[np.int64]]
    place: Float64Array
    half: Float64Array
    lean: Float64Array
    opaque: np.ndarray[tuple[int], np.dtype[np.bool_]]
    material: np.ndarray[tuple[int, int], np.dtype[np.float32]]

    def placed(self, actor_poses: Float64Array) -> Float64Array:
        """Return where the solids are, float64 [P, 4], given [A, 3]: x, y, heading per actor.

        Actor 0 is the scene itself and must be all zero.
        """
        x, y, turn = actor_poses[self.actor].T
        cos, sin = np.cos(turn), np.sin(turn)
        px, py, pz, heading = self.place.T
        return np.stack(
            [x + cos * px - sin * py, y + sin * px + cos * py, pz, heading + turn], axis=1
        )

    def extent(self) -> Float64Array:
        """Return half sizes of a box around each solid, in its own axes, float64 [P, 3]."""
        extent = self.half.copy()
        extent[:, :2] += np.abs(self.lean) * self.half[:, 2:]
        return extent
