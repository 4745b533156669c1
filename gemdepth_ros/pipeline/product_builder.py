"""All images and clouds of one frame, computed only as far as somebody wants them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.geometry.point_cloud import organized_cloud
from gemdepth_ros.grounding.inputs import CameraMounting
from gemdepth_ros.interfaces import (
    Float32Array,
    GroundingState,
    OrganizedCloud,
    OutputRequest,
    PinholeIntrinsics,
    UInt8Array,
    VideoFrame,
)
from gemdepth_ros.pipeline.clouds import points_clear, points_mark
from gemdepth_ros.pipeline.config import ProductsConfig
from gemdepth_ros.pipeline.host_depth import filtered_metric_depth
from gemdepth_ros.pipeline.products import (
    PreviewColours,
    as_array,
    at_image_size,
    depth_std,
    depth_within,
    inverse_depth,
    metric_depth,
    relative_depth,
)
from gemdepth_ros.pipeline.self_mask import BoolArray, check_self_mask, hide
from gemdepth_ros.pipeline.surfaces import flying_pixels, normal_image, normals

RELATIVE_PLANE_DISTANCE = 0.03  # of the median depth: half a metre of some 17 m
SAMPLED = 8  # every n-th row and column is enough for a median


@dataclass(frozen=True, eq=False)
class Products:
    """The images and clouds of one output; None where nobody asked."""

    disparity: Float32Array | None = None
    relative_depth: Float32Array | None = None
    depth_m: Float32Array | None = None
    depth_std_m: Float32Array | None = None
    cloud: OrganizedCloud | None = None
    mark_points: Float32Array | None = None
    clear_points: Float32Array | None = None
    preview_rgb: UInt8Array | None = None
    normals: Float32Array | None = None
    normals_rgb: UInt8Array | None = None


class ProductBuilder:
    """Makes the products of one stream.

    Args:
        config: limits and filters.
        mounting: where the camera sits; None: no clouds for costmaps. May be set later.
        self_mask: bool [H, W], True where the camera sees its own vehicle, or None.
    """

    def __init__(
        self,
        config: ProductsConfig,
        mounting: CameraMounting | None,
        self_mask: BoolArray | None = None,
    ) -> None:
        self._config = config
        self.mounting = mounting
        self._preview = PreviewColours()
        self._self_mask = self_mask

    def forget(self) -> None:
        """Start anew after a reset."""
        self._preview.forget()

    @torch.inference_mode()
    def build(
        self,
        frame: VideoFrame,
        disparity_HW: Tensor,
        camera: PinholeIntrinsics,
        grounding: GroundingState,
        request: OutputRequest,
    ) -> Products:
        """Return what was asked for.

        Args:
            frame: the image.
            disparity_HW: the network's map, on its device.
            camera: intrinsics of the image.
            grounding: what is known about metres.
            request: what is wanted.

        Raises:
            ConfigError: the self-mask has another size than the image.
        """
        metric = grounding.metric
        needs_depth = request.depth or request.points or request.normals
        needs_depth |= metric and (request.costmap or request.depth_std)
        if not (needs_depth or request.preview):
            return Products()
        full = at_image_size(disparity_HW, (frame.height, frame.width))
        disparity = as_array(full) if request.depth or request.preview else None
        preview = None
        if request.preview and disparity is not None:
            preview = self._preview(disparity)
        if not needs_depth:
            return Products(disparity=disparity, preview_rgb=preview)
        on_device = self._depth(frame, full, camera, grounding)
        depth = as_array(on_device)
        std = self._std(full, on_device, grounding, request)
        facing = self._normals(on_device, camera, request, metric=metric)
        on_host = None if facing is None else as_array(facing)
        mark = clear = None
        if frame.camera is not None:  # a guessed field of view is no ground for a costmap
            mark, clear = self._costmap(depth, std, camera, grounding, request)
        return Products(
            disparity=disparity,
            relative_depth=depth if request.depth and not metric else None,
            depth_m=depth if request.depth and metric else None,
            depth_std_m=std if request.depth_std else None,
            cloud=self._cloud(depth, frame, camera, on_host, metric=metric)
            if request.points
            else None,
            mark_points=mark,
            clear_points=clear,
            preview_rgb=preview,
            normals=on_host if request.normals else None,
            normals_rgb=_colours(facing) if request.normals and facing is not None else None,
        )

    def _depth(
        self, frame: VideoFrame, full: Tensor, camera: PinholeIntrinsics, grounding: GroundingState
    ) -> Tensor:
        """Metric or relative depth with everything hidden that is not known."""
        depth = self._metric(full, camera, grounding) if grounding.metric else relative_depth(full)
        if self._self_mask is not None:
            check_self_mask(self._self_mask, frame.height, frame.width)
            depth = hide(depth, torch.from_numpy(self._self_mask).to(depth.device))
        if frame.valid is not None:
            depth = hide(depth, torch.from_numpy(~frame.valid).to(depth.device))
        return depth

    def _metric(
        self, full: Tensor, camera: PinholeIntrinsics, grounding: GroundingState
    ) -> Tensor:
        """Depth in metres; without flying pixels, unless the configuration leaves them."""
        config = self._config
        if not config.filter_edges:
            return metric_depth(full, grounding, config)
        if full.device.type == 'cpu' and full.dtype == torch.float32:
            found = filtered_metric_depth(full.numpy(), grounding, camera, config)
            return torch.from_numpy(found)
        inverse = inverse_depth(full, grounding)
        edges = flying_pixels(inverse, camera, config.edges)
        return depth_within(inverse, config).masked_fill_(edges, torch.nan)

    def _std(
        self, full: Tensor, depth: Tensor, grounding: GroundingState, request: OutputRequest
    ) -> Float32Array | None:
        """Standard deviation of metric depth; None when the state has no covariance."""
        wanted = request.depth_std or request.costmap
        covariance = np.asarray(grounding.covariance, np.float64).reshape(3, 3)
        if not (grounding.metric and wanted and np.isfinite(covariance[:2, :2]).all()):
            return None
        return as_array(depth_std(full, depth, grounding.scale, covariance, self._config.noise))

    def _normals(
        self, depth: Tensor, camera: PinholeIntrinsics, request: OutputRequest, *, metric: bool
    ) -> Tensor | None:
        """Normals of exactly the depth that is given out; what is hidden there has none."""
        if not (request.normals or (request.points and self._config.cloud_normals)):
            return None
        inverse = torch.where(torch.isfinite(depth), 1 / depth, torch.nan)
        if metric and self._config.filter_edges:
            return normals(inverse, camera)  # edges are holes already
        edges = self._config.edges
        if not metric:  # no metre, so a plane's distance is told in the depth's own size
            known = inverse[::SAMPLED, ::SAMPLED].nanmedian()
            distance = RELATIVE_PLANE_DISTANCE / float(known)
            edges = replace(edges, plane_distance_m=distance if distance > 0 else math.inf)
        return normals(inverse, camera, edges)

    def _cloud(
        self,
        depth: Float32Array,
        frame: VideoFrame,
        camera: PinholeIntrinsics,
        facing: Float32Array | None,
        *,
        metric: bool,
    ) -> OrganizedCloud:
        config = self._config
        kept = facing if config.cloud_normals else None
        return organized_cloud(
            depth, frame.image_rgb, camera, config.cloud_decimation, metric=metric, normals=kept
        )

    def _costmap(
        self,
        depth: Float32Array,
        std: Float32Array | None,
        camera: PinholeIntrinsics,
        grounding: GroundingState,
        request: OutputRequest,
    ) -> tuple[Float32Array | None, Float32Array | None]:
        """Points that mark and points that clear; None unless metric and the mounting is known."""
        mounting = self.mounting
        if not (request.costmap and grounding.metric) or mounting is None:
            return None, None
        base_from_camera = mounting.base_from_camera
        assert base_from_camera is not None
        limits, farthest = self._config.costmap, self._config.max_depth_m
        mark = points_mark(depth, camera, base_from_camera, limits, std)
        return mark, points_clear(
            depth, camera, base_from_camera, limits, std, max_depth_m=farthest
        )


def _colours(facing: Tensor) -> UInt8Array:
    picture: UInt8Array = normal_image(facing).cpu().numpy()
    return picture
