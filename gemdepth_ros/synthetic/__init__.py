"""A world with exact ground truth: procedural scenes and a ray caster that films them."""

from typing import TYPE_CHECKING

from gemdepth_ros.lazy_exports import lazy_exports
from gemdepth_ros.synthetic.config import CAMERA_HEIGHT_M, INDOOR, VARIED, WorldConfig

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.drive import SyntheticDrive, random_drive, render_drive
    from gemdepth_ros.synthetic.frame import SyntheticFrame

__all__ = [
    'CAMERA_HEIGHT_M',
    'INDOOR',
    'VARIED',
    'SyntheticDrive',
    'SyntheticFrame',
    'WorldConfig',
    'random_drive',
    'render_drive',
]

# torch loads only when something is rendered.
__getattr__ = lazy_exports(
    __name__,
    {
        'SyntheticDrive': f'{__name__}.drive',
        'SyntheticFrame': f'{__name__}.frame',
        'random_drive': f'{__name__}.drive',
        'render_drive': f'{__name__}.drive',
    },
)
