"""What a world may contain and how it is filmed: ranges from which a seed draws."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gemdepth_ros.errors import ConfigError

Range = tuple[float, float]

CAMERA_HEIGHT_M = 1.65
"""Height of the default camera above the road."""


@dataclass(frozen=True)
class WorldConfig:
    """Ranges of a drive; each pair is drawn from uniformly, once per seed.

    The default is a car with KITTI's camera in a street: level camera, 10 Hz, 8 m/s, no faults.

    Attributes:
        camera_height_m: of the camera above the road [m].
        camera_pitch_deg: downward tilt of the camera [deg].
        focal_per_width: focal length per image width; 0.581 is KITTI's 81 degrees.
        horizon_row: row of the principal point per image height.
        off_centre: largest shift of the principal point's column per image width.
        frame_rate_hz: images per second.
        styles: kinds of street to draw from: city, suburb, rural, highway.
        manoeuvres: ways to drive to draw from: cruise, start, brake, stand.
        speed_mps: cruising speed [m/s].
        bend_radius_m: radius of bends [m].
        bend_share: chance that a piece of road is a bend.
        left_hand_share: chance of traffic on the left.
        traffic: factor on the number of cars and people.
        lead_share: chance that a car drives ahead.
        bridge_share: chance of bridges over the road.
        nod_deg: amplitude of pitch and roll while driving [deg].
        heave_m: amplitude of the camera's rise and fall while driving [m].
        bump_m: height of single bumps of the road, as the camera feels them [m].
        weave_m: amplitude of the weaving in the lane [m].
        kerb_m: height of the pavement above the road [m].
        sun_elevation_deg: of the sun above the horizon [deg].
        overcast_share: chance of a covered sky: no sun, no shadows.
        shadows: whether shadow rays are cast.
        visibility_m: distance at which fog leaves 1/e of the contrast [m].
        exposure: factor on the brightness.
        exposure_drift: largest part by which the brightness changes during the drive.
        tint: largest part by which the colour balance is off.
        noise: standard deviation of the sensor's noise, of full scale.
        blur_px: radius of the lens' blur [px], per 322 px of width.
        shutter_s: time for which the shutter is open [s]: motion blur.
        dirt_share: chance of dirt on the lens.
    """

    camera_height_m: Range = (CAMERA_HEIGHT_M, CAMERA_HEIGHT_M)
    camera_pitch_deg: Range = (0.0, 0.0)
    focal_per_width: Range = (0.581, 0.581)
    horizon_row: Range = (0.46, 0.46)
    off_centre: float = 0.0
    frame_rate_hz: Range = (10.0, 10.0)
    styles: tuple[str, ...] = ('city', 'suburb')
    manoeuvres: tuple[str, ...] = ('cruise',)
    speed_mps: Range = (8.0, 8.0)
    bend_radius_m: Range = (200.0, 600.0)
    bend_share: float = 0.3
    left_hand_share: float = 0.0
    traffic: float = 1.0
    lead_share: float = 1.0
    bridge_share: float = 0.2
    nod_deg: Range = (0.25, 0.25)
    heave_m: Range = (0.0, 0.0)
    bump_m: Range = (0.0, 0.0)
    weave_m: Range = (0.25, 0.25)
    kerb_m: Range = (0.1, 0.1)
    sun_elevation_deg: Range = (25.0, 60.0)
    overcast_share: float = 0.0
    shadows: bool = True
    visibility_m: Range = (700.0, 700.0)
    exposure: Range = (0.9, 0.9)
    exposure_drift: Range = (0.0, 0.0)
    tint: float = 0.0
    noise: Range = (0.0, 0.0)
    blur_px: Range = (0.0, 0.0)
    shutter_s: Range = (0.0, 0.0)
    dirt_share: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (('styles', STYLES), ('manoeuvres', MANOEUVRES)):
            chosen = getattr(self, name)
            if not chosen or set(chosen) - set(known):
                raise ConfigError(f'{name} must be some of {known}, got {chosen}')
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == 'Range':
                if len(value) != 2 or value[0] > value[1]:
                    raise ConfigError(f'{field.name} must be (smallest, largest), got {value}')
                _check(field.name, value[0])
            elif field.type == 'float':
                _check(field.name, value)


def _check(name: str, smallest: float) -> None:
    if name.endswith('_share') and not 0.0 <= smallest <= 1.0:
        raise ConfigError(f'{name} must be in 0 .. 1, got {smallest}')
    if name in _POSITIVE and smallest <= 0:
        raise ConfigError(f'{name} must be > 0, got {smallest}')
    if name not in _SIGNED and smallest < 0:
        raise ConfigError(f'{name} must be >= 0, got {smallest}')


_POSITIVE = (
    'camera_height_m',
    'focal_per_width',
    'frame_rate_hz',
    'visibility_m',
    'traffic',
    'speed_mps',
    'exposure',
    'bend_radius_m',
    'sun_elevation_deg',
)
_SIGNED = ('camera_pitch_deg',)
STYLES = ('city', 'suburb', 'rural', 'highway')
MANOEUVRES = ('cruise', 'start', 'brake', 'stand')

VARIED = WorldConfig(
    camera_height_m=(0.4, 2.0),
    camera_pitch_deg=(-3.0, 8.0),
    focal_per_width=(0.45, 0.95),
    horizon_row=(0.4, 0.55),
    off_centre=0.02,
    frame_rate_hz=(4.0, 15.0),
    styles=('city', 'city', 'suburb', 'suburb', 'rural', 'highway'),
    manoeuvres=('cruise', 'cruise', 'cruise', 'start', 'brake', 'stand'),
    speed_mps=(2.0, 16.0),
    bend_radius_m=(18.0, 250.0),
    bend_share=0.5,
    left_hand_share=0.25,
    traffic=1.3,
    lead_share=0.5,
    nod_deg=(0.0, 0.6),
    heave_m=(0.0, 0.03),
    bump_m=(0.0, 0.05),
    weave_m=(0.0, 0.4),
    kerb_m=(0.04, 0.18),
    sun_elevation_deg=(12.0, 70.0),
    overcast_share=0.3,
    visibility_m=(120.0, 1500.0),
    exposure=(0.6, 1.15),
    exposure_drift=(0.0, 0.2),
    tint=0.06,
    noise=(0.0, 0.02),
    blur_px=(0.2, 0.7),
    shutter_s=(0.0, 0.02),
    dirt_share=0.1,
)
"""Everything varies: what a network is trained on."""

INDOOR = WorldConfig(
    camera_height_m=(0.3, 1.5),
    camera_pitch_deg=(-5.0, 15.0),
    focal_per_width=(0.45, 0.9),
    horizon_row=(0.42, 0.58),
    off_centre=0.02,
    frame_rate_hz=(5.0, 30.0),
    manoeuvres=('cruise', 'cruise', 'cruise', 'cruise', 'stand'),
    speed_mps=(0.2, 1.4),
    nod_deg=(0.0, 0.4),
    heave_m=(0.0, 0.01),
    sun_elevation_deg=(55.0, 85.0),
    visibility_m=(5000.0, 5000.0),
    exposure=(0.7, 1.3),
    exposure_drift=(0.0, 0.15),
    tint=0.06,
    noise=(0.0, 0.025),
    blur_px=(0.2, 0.7),
    shutter_s=(0.0, 0.03),
    dirt_share=0.05,
)
"""Rooms and corridors, seen by a robot."""
