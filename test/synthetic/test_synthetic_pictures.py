"""What the images show: textures that do not swim or alias, shadows, and a camera's faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_reference import plain_street, points_of, project

from gemdepth_ros.synthetic import SyntheticDrive, WorldConfig
from gemdepth_ros.synthetic.cast import PlacedSolids
from gemdepth_ros.synthetic.lens import motion_blurred
from gemdepth_ros.synthetic.primitives import Builder, Material, Spot
from gemdepth_ros.synthetic.shadows import lit_by_sun
from gemdepth_ros.synthetic.texture import Noise, band

HEIGHT, WIDTH = 94, 310


def picture(**options: object) -> np.ndarray:
    config = replace(plain_street(), **options)  # type: ignore[arg-type]
    return SyntheticDrive(12, 49, 161, 0, config=config).render(6).image_rgb.astype(float)


def test_static_colours_stay_on_their_surface() -> None:
    drive = SyntheticDrive(40, HEIGHT, WIDTH, 0, config=WorldConfig(lead_share=0.0))
    # Near pixels of the road, one frame later: the texture must not swim.
    here, there = drive.render(20), drive.render(21)
    rows, columns = np.mgrid[70:94, 140:170]
    points = points_of(here)[rows, columns].reshape(-1, 3)
    seen = (points - there.world_from_camera[:3, 3]) @ there.world_from_camera[:3, :3]
    column, row = (np.rint(v).astype(int) for v in project(drive.camera, seen))
    inside = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
    colour = here.image_rgb[rows, columns].reshape(-1, 3)[inside].mean(axis=1)
    later = there.image_rgb[row[inside], column[inside]].mean(axis=1)
    assert inside.sum() > 300
    assert np.corrcoef(colour, later)[0, 1] > 0.8
    unmoved = there.image_rgb[rows, columns].reshape(-1, 3)[inside].mean(axis=1)
    assert np.corrcoef(colour, later)[0, 1] > np.corrcoef(colour, unmoved)[0, 1] + 0.2


def test_bands_are_their_mean_where_pixels_are_large() -> None:
    place = torch.linspace(0.0, 50.0, 1000)
    fine = band(place, 1.0, 0.3, torch.full_like(place, 1e-3))
    assert fine.mean() == pytest.approx(0.3, abs=0.01)
    assert ((fine > 0.01) & (fine < 0.99)).float().mean() < 0.02
    coarse = band(place, 1.0, 0.3, torch.full_like(place, 2.0))
    torch.testing.assert_close(coarse, torch.full_like(place, 0.3))
    everywhere = band(place, 1.0, 2.0, torch.full_like(place, 0.2))
    torch.testing.assert_close(everywhere, torch.ones_like(place))


def test_noise_calms_down_with_the_size_of_a_pixel() -> None:
    noise = Noise(np.random.default_rng(0), torch.device('cpu'))
    u, v = torch.rand(2, 4000) * 20.0
    spreads = [
        float(noise.sample(u, v, torch.full_like(u, size), -5.0).std())
        for size in (0.01, 0.2, 1.0, 20.0)
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 0.15
    assert spreads[-1] < 0.01
    near = noise.sample(u + 1e-4, v, torch.full_like(u, 0.01), -5.0)
    assert (near - noise.sample(u, v, torch.full_like(u, 0.01), -5.0)).abs().max() < 0.02


def test_a_shadow_is_as_long_as_the_sun_is_low() -> None:
    """A box 2 m high, the sun 45 degrees high in the west: a shadow 2 m long to the east."""
    builder = Builder()
    builder.box(Spot(10.0, 0.0), (1.0, 1.0, 2.0), Material((0.5, 0.5, 0.5)))
    builder.box(Spot(10.0, 0.0), (9.0, 9.0, 0.1), Material((0.5,) * 3, opaque=False), base=4.0)
    solids = builder.build()
    placed = PlacedSolids.at(solids, solids.placed(np.zeros((1, 3))), torch.device('cpu'))
    x, y = np.meshgrid(np.linspace(8.0, 14.0, 61), np.linspace(-3.0, 3.0, 61))
    points = torch.tensor(np.stack([x.ravel(), y.ravel(), np.zeros(x.size)]), dtype=torch.float32)
    up = torch.tensor([0.0, 0.0, 1.0])[:, None].expand(3, x.size)
    everything = torch.ones(x.size, dtype=torch.bool)
    nobody = torch.full((x.size,), -1)
    low = 0.5**0.5
    sun = (-low, 0.0, low)
    lit = lit_by_sun(points, up, everything, nobody, (61, 61), placed, sun).numpy() > 0
    # From the box' east side (x = 10.5) two metres on.
    shade = ((x > 10.55) & (x < 12.4) & (np.abs(y) < 0.45)).ravel()
    clear = ((x < 9.4) | (x > 12.6) | (np.abs(y) > 0.55)).ravel()
    assert not lit[shade].any()
    assert lit[clear].all()


def test_shadows_darken_and_can_be_left_out() -> None:
    options = {'styles': ('city',), 'traffic': 1.0, 'sun_elevation_deg': (30.0, 30.0)}
    bright, dark = picture(**options, shadows=False), picture(**options)
    assert (dark <= bright).all()
    assert (dark < 0.8 * bright).mean() > 0.02


def test_the_lens_and_the_sensor_have_the_faults_they_are_given() -> None:
    clean = picture()
    noisy = picture(noise=(0.02, 0.02))
    middle = (clean > 20).all(axis=-1) & (clean < 235).all(axis=-1)
    assert (noisy - clean)[middle].std() == pytest.approx(0.02 * 255, rel=0.1)
    assert abs((noisy - clean)[middle].mean()) < 0.2
    blurred = picture(blur_px=(2.0, 2.0))
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.7 * np.abs(np.diff(clean, axis=1)).mean()
    assert picture(exposure=(0.4, 0.4)).mean() < 0.85 * clean.mean()
    foggy = picture(visibility_m=(30.0, 30.0))
    assert foggy[15:30].std() < clean[15:30].std()
    dirty = np.abs(picture(dirt_share=1.0) - clean).max(axis=-1)
    assert 0.005 < (dirty > 10).mean() < 0.6
    drifting = picture(exposure_drift=(0.3, 0.3))
    assert abs(drifting.mean() / clean.mean() - 1) > 0.005


def test_motion_blur_runs_along_the_motion() -> None:
    image = torch.zeros(3, 40, 60)
    image[:, :, 30] = 1.0
    across, along = torch.zeros(2, 2, 40, 60)
    across[0], along[1] = 3.0, 3.0
    across[0, 0, 0] = torch.nan
    smeared = motion_blurred(image, across)
    assert smeared[0, 20, 30] < 0.5
    assert smeared[0, 20].sum() == pytest.approx(1.0, abs=0.1)
    torch.testing.assert_close(motion_blurred(image, along), image, atol=1e-4, rtol=0)
    slow, fast = picture(shutter_s=(0.005, 0.005)), picture(shutter_s=(0.06, 0.06))
    rows = np.s_[-12:]
    assert np.abs(np.diff(fast[rows], axis=0)).mean() < np.abs(np.diff(slow[rows], axis=0)).mean()
