"""The world's geometry against what analytic geometry says: solids, ground, poses, flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_reference import (
    camera_rays,
    plain_street,
    points_of,
    project,
    reference_distance,
)

from gemdepth_ros.synthetic import INDOOR, VARIED, SyntheticDrive, WorldConfig
from gemdepth_ros.synthetic.intersect import entry
from gemdepth_ros.synthetic.primitives import BOX, CYLINDER, ELLIPSOID, TAPERED

HEIGHT, WIDTH = 60, 196
WORLDS = [('driving', WorldConfig(), 0), ('driving', VARIED, 3), ('driving', VARIED, 9)]
WORLDS += [('indoor', INDOOR, 1)]


@pytest.fixture(scope='module', params=range(len(WORLDS)))
def drive(request: pytest.FixtureRequest) -> SyntheticDrive:
    kind, config, seed = WORLDS[request.param]
    return SyntheticDrive(12, HEIGHT, WIDTH, seed, kind=kind, config=config)


def first_meeting(kind: int, origin: list[float], rays: list[list[float]]) -> list[float]:
    """Distances to a solid of half sizes 1, 2, 3; sides that lean are half as long on top."""
    d = torch.tensor(rays, dtype=torch.float64).T
    o, half = (torch.tensor(v, dtype=torch.float64) for v in (origin, [1.0, 2.0, 3.0]))
    lean = torch.tensor([1.0 / 6.0, 0.0], dtype=torch.float64)
    if kind == CYLINDER:
        half[:2] = 1.0
    return entry(kind, tuple(o), tuple(d), tuple(half), tuple(lean)).tolist()


def test_solids_are_where_their_formulas_put_them() -> None:
    inf = float('inf')
    ahead = [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    assert first_meeting(BOX, [-5, 0, 0], ahead) == [4.0, 2.0, inf, inf]
    assert first_meeting(CYLINDER, [-5, 0, 0], ahead) == [4.0, 2.0, inf, inf]
    assert first_meeting(ELLIPSOID, [-5, 0, 0], ahead) == [4.0, 2.0, inf, inf]
    assert first_meeting(TAPERED, [-5, 0, 0], ahead) == [4.0, 2.0, inf, inf]
    # At the foot the leaning side is half a metre farther out, at the top farther in.
    assert first_meeting(TAPERED, [-5, 0, -2.999], ahead[:1]) == pytest.approx([3.5], abs=1e-3)
    assert first_meeting(TAPERED, [-5, 0, 2.999], ahead[:1]) == pytest.approx([4.5], abs=1e-3)
    # From above: on the top; an ellipsoid's top is its vertex.
    for kind in (BOX, TAPERED, CYLINDER, ELLIPSOID):
        assert first_meeting(kind, [0, 0, 10], [[0.0, 0.0, -1.0]]) == pytest.approx([7.0])
        # From inside nothing is seen, from beside it nothing either.
        assert first_meeting(kind, [0, 0, 0], ahead) == [inf] * 4
        assert first_meeting(kind, [-5, 2.5, 0], ahead[:1]) == [inf]
    # A circle met off its middle: x = -sqrt(1 - 0.6^2).
    assert first_meeting(CYLINDER, [-5, 0.6, 0], ahead[:1]) == pytest.approx([4.2])


def test_every_pixel_shows_the_first_thing_that_its_ray_meets(drive: SyntheticDrive) -> None:
    frame = drive.render(5)
    expected = reference_distance(drive, 5)
    seen = frame.depth_m.astype(np.float64)
    with np.errstate(invalid='ignore'):
        same = (np.abs(seen - expected) < 2e-6 * expected) | (seen == expected)
    # The remainder are rays that graze an edge within rounding.
    assert same.mean() > 0.999
    assert not np.isnan(seen).any()


def test_the_road_is_a_plane() -> None:
    drive = SyntheticDrive(3, 94, 310, 0, config=plain_street())
    frame = drive.render(0)
    np.testing.assert_array_equal(frame.world_from_camera, np.eye(4))
    rows = np.arange(60, 94)
    expected = drive.camera_height_m * frame.camera.fy / (rows - frame.camera.cy)
    middle = frame.depth_m[60:, 150:160]
    np.testing.assert_allclose(middle, np.tile(expected[:, None], 10), rtol=2e-7)


def test_a_wall_of_the_corridor_is_a_plane() -> None:
    drive = SyntheticDrive(30, HEIGHT, WIDTH, 0, kind='indoor')
    for index in (0, 20):
        frame = drive.render(index)
        down = drive.world_from_base(index)[:3, 2]
        heights = points_of(frame) @ down - drive.world_from_base(index)[:3, 3] @ down
        floor = np.abs(heights) < 0.02
        # The body rises and falls by up to a centimetre.
        assert floor.mean() > 0.05
        assert np.ptp(heights[floor & (np.abs(heights - np.median(heights[floor])) < 4e-3)]) < 8e-3


@pytest.mark.parametrize(('first', 'second'), [(4, 5), (2, 9), (9, 2)])
def test_static_pixels_reproject_exactly(drive: SyntheticDrive, first: int, second: int) -> None:
    """Out through the depth and the poses, and back along the other camera's own ray."""
    frame, camera = drive.render(first), drive.camera
    there = drive.world_from_camera(second)
    known = np.isfinite(frame.depth_m) & ~frame.moving
    points = points_of(frame)[known]
    local = (points - there[:3, 3]) @ there[:3, :3]
    column, row = project(camera, local)
    inside = (local[:, 2] > 0.3) & (column > 0) & (column < WIDTH - 1) & (row > 0)
    inside &= row < HEIGHT - 1
    points, local = points[inside], local[inside]
    distance = np.linalg.norm(local, axis=1)
    ranges = drive.ranges_m(there, local, drive.time_s(second), max_range_m=400.0)
    visible = np.abs(ranges / distance - 1) < 1e-3
    assert inside.sum() > 500
    assert visible.mean() > 0.6
    # What is not seen again is hidden by something nearer, but for rays that graze an edge.
    assert (ranges[~visible] > distance[~visible]).mean() < 0.02
    met = there[:3, 3] + local / distance[:, None] * ranges[:, None] @ there[:3, :3].T
    home = frame.world_from_camera
    back = np.stack(project(camera, (met[visible] - home[:3, 3]) @ home[:3, :3]), axis=-1)
    rows, columns = np.nonzero(known)
    started = np.stack([columns, rows], axis=-1)[inside][visible]
    # 4e-7 of relative range (float32) seen from the side is what is left.
    assert np.percentile(np.abs(back - started), 99) < 1e-4


def test_flow_of_static_pixels_is_what_poses_and_depth_say(drive: SyntheticDrive) -> None:
    frame, flow = drive.render(6), drive.flow(6)
    assert flow.shape == (HEIGHT, WIDTH, 2)
    assert flow.dtype == np.float32
    known = np.isfinite(frame.depth_m) & ~frame.moving
    there = drive.world_from_camera(7)
    local = (points_of(frame)[known] - there[:3, 3]) @ there[:3, :3]
    before = local[:, 2] > 0.1
    column, row = project(drive.camera, local[before])
    rows, columns = np.nonzero(known)
    expected = np.stack([column - columns[before], row - rows[before]], axis=-1)
    np.testing.assert_allclose(flow[known][before], expected, rtol=1e-6, atol=1e-4)


def test_flow_of_the_sky_is_the_turn_of_the_camera() -> None:
    drive = SyntheticDrive(12, HEIGHT, WIDTH, 4, config=VARIED)
    frame, flow = drive.render(6), drive.flow(6)
    sky = np.isinf(frame.depth_m)
    assert sky.sum() > 100
    turn = drive.world_from_camera(7)[:3, :3].T @ frame.world_from_camera[:3, :3]
    column, row = project(drive.camera, camera_rays(drive.camera)[sky] @ turn.T)
    rows, columns = np.nonzero(sky)
    expected = np.stack([column - columns, row - rows], axis=-1)
    np.testing.assert_allclose(flow[sky], expected, atol=1e-4)


def test_flow_of_moving_pixels_leads_to_the_same_point_of_a_rigid_thing() -> None:
    # On a straight road all traffic moves along it, each car by the same vector everywhere.
    config = WorldConfig(bend_share=0.0, nod_deg=(0, 0), weave_m=(0, 0), lead_share=0.0)
    drive = SyntheticDrive(12, HEIGHT, WIDTH, 2, config=config)
    moved = []
    for index in range(3, 9):
        frame, flow = drive.render(index), drive.flow(index)
        rows, columns = np.nonzero(frame.moving & (frame.depth_m < 40.0))
        pixel = np.stack([columns, rows], axis=-1) + flow[rows, columns].astype(np.float64)
        rays = camera_rays(drive.camera, pixel)
        there = drive.world_from_camera(index + 1)
        ranges = drive.ranges_m(there, rays, drive.time_s(index + 1))
        unit = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        after = there[:3, 3] + (unit * ranges[:, None]) @ there[:3, :3].T
        moved.append((after - points_of(frame)[rows, columns])[np.isfinite(ranges)])
    steps = np.concatenate(moved)
    assert len(steps) > 200
    # Cars that come nearer; the few others hide behind something in the next frame.
    coming = steps[np.linalg.norm(steps - np.median(steps, axis=0), axis=1) < 0.05]
    assert len(coming) > 0.6 * len(steps)
    assert np.median(coming[:, 2]) < -0.4
    off = np.linalg.norm(coming - np.median(coming, axis=0), axis=1)
    assert np.percentile(off, 99) < 1e-3


def test_ranges_agree_with_the_image(drive: SyntheticDrive) -> None:
    frame = drive.render(4)
    rays = camera_rays(drive.camera)[::3, ::4]
    expected = frame.depth_m[::3, ::4] * np.linalg.norm(rays, axis=-1)
    expected[expected > 200.0] = np.inf
    ranges = drive.ranges_m(
        frame.world_from_camera, rays.reshape(-1, 3), drive.time_s(4), max_range_m=200.0
    )
    assert ranges.dtype == np.float32
    np.testing.assert_allclose(ranges.reshape(expected.shape), expected, rtol=1e-6)


def test_base_is_below_the_camera(drive: SyntheticDrive) -> None:
    base_from_camera = np.linalg.inv(drive.camera_from_base)
    np.testing.assert_allclose(base_from_camera[:3, 3], [0, 0, drive.camera_height_m], atol=1e-12)
    for index in (0, 7):
        camera = drive.world_from_base(index) @ base_from_camera
        np.testing.assert_allclose(camera, drive.world_from_camera(index), atol=1e-12)
    # Level axes but for the tilt: the camera looks ahead along the base's x.
    assert base_from_camera[0, 2] > 0.9
