"""The light that each pixel receives: paint, sun, shadows, mirrored sky and fog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gemdepth_ros.synthetic.cast import GROUND, PlacedSolids
from gemdepth_ros.synthetic.paint import ground_colour, solid_colour
from gemdepth_ros.synthetic.shadows import lit_by_sun
from gemdepth_ros.synthetic.sky import gradient, sky_colour
from gemdepth_ros.synthetic.surface import surface_of

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics
    from gemdepth_ros.synthetic.cast import Hits
    from gemdepth_ros.synthetic.scene import Scene
    from gemdepth_ros.synthetic.texture import Noise


class Shader:
    """Paints what the rays of a camera met.

    Args:
        scene: what there is.
        noise: its texture.
        shadows: whether the sun casts shadows.
        device: of all tensors.
    """

    def __init__(self, scene: Scene, noise: Noise, shadows: bool, device: torch.device) -> None:
        self._scene, self._noise, self._shadows, self._device = scene, noise, shadows, device
        self._material = torch.from_numpy(scene.solids.material.T.copy()).to(device)

    def light(
        self,
        hits: Hits,
        placed: PlacedSolids,
        rays: torch.Tensor,
        scene_from_camera: Float64Array,
        camera: PinholeIntrinsics,
    ) -> torch.Tensor:
        """Return linear light, float32 [3, H * W]; ``rays`` is float64 [3, H * W]."""
        scene, count = self._scene, rays.shape[1]
        rays32 = rays.float()
        image = torch.zeros((3, count), device=self._device)
        normal = torch.zeros((3, count), device=self._device)
        mirror = torch.zeros(count, device=self._device)
        solid = torch.nonzero(hits.solid >= 0)[:, 0]
        if len(solid):
            which = hits.solid[solid]
            surface = surface_of(
                placed, which, hits.distance[solid], rays[:, solid], scene_from_camera, camera
            )
            colour, gloss = solid_colour(self._material[:, which], which, surface, self._noise)
            image[:, solid] = colour
            normal[:, solid] = torch.stack(surface.normal)
            mirror[solid] = gloss * (0.08 + 0.92 * (1.0 - surface.facing) ** 3)
        self._paint_ground(image, normal, hits, rays32, camera)
        seen = torch.isfinite(hits.distance)
        distance = torch.where(seen, hits.distance, 0.0).float()
        points = rays32 * distance
        image = image * self._light_on(
            points, normal, hits.solid, placed, scene_from_camera, camera
        )
        up = (rays32[2] - 2.0 * (rays32 * normal).sum(dim=0) * normal[2]).clamp(0.0, 1.0)
        image = image + mirror * (gradient(scene.light, up) - 0.3 * image)
        length = torch.sqrt((rays32 * rays32).sum(dim=0))
        clear = torch.exp(-distance * length / scene.light.visibility_m)
        fog = torch.tensor(scene.light.horizon, device=self._device)[:, None]
        image = fog + clear * (image - fog)
        sky = torch.nonzero(~seen)[:, 0]
        image[:, sky] = sky_colour(scene.light, rays32[:, sky], self._noise)
        return image

    def _paint_ground(
        self,
        image: torch.Tensor,
        normal: torch.Tensor,
        hits: Hits,
        rays: torch.Tensor,
        camera: PinholeIntrinsics,
    ) -> None:
        scene, ground = self._scene, hits.ground
        if ground is None or scene.ground is None or scene.paint is None:
            return
        shown = torch.nonzero(hits.solid[ground.ray] == GROUND)[:, 0]
        ray = ground.ray[shown]
        size = ground.distance[shown].float() / camera.fx
        slant = (1.0 / rays[2, ray].abs().clamp_min(0.01)).clamp_max(60.0)
        image[:, ray] = ground_colour(
            scene.paint, scene.ground.half_width_m, ground.only(shown), size, slant, self._noise
        )
        normal[2, ray] = 1.0

    def _light_on(
        self,
        points: torch.Tensor,
        normal: torch.Tensor,
        solid: torch.Tensor,
        placed: PlacedSolids,
        scene_from_camera: Float64Array,
        camera: PinholeIntrinsics,
    ) -> torch.Tensor:
        """Return the light that falls on each point, float32 [3, N]."""
        light = self._scene.light
        towards = torch.tensor(light.towards_sun, device=self._device)[:, None]
        sun = (normal * towards).sum(dim=0).clamp_min(0.0)
        if self._shadows and light.sun[0] > 0:
            here = placed.placed.copy()
            here[:, :3] -= scene_from_camera[:3, 3]
            around = PlacedSolids.at(placed.solids, here, self._device)
            sun = sun * lit_by_sun(
                points,
                normal,
                sun > 0,
                solid,
                (camera.height, camera.width),
                around,
                light.towards_sun,
            )
        ambient = torch.tensor(light.ambient, device=self._device)[:, None]
        direct = torch.tensor(light.sun, device=self._device)[:, None]
        return ambient * (0.75 + 0.25 * normal[2]) + direct * sun
