"""The files that KITTI's layouts share: matrices in text, numbered images, scans, depth maps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from gemdepth_ros.bags.stamps import parse_time_ns
from gemdepth_ros.errors import BagError
from gemdepth_ros.interfaces import PinholeIntrinsics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array

RECORDING_DAY_NS = parse_time_ns('2011-09-26')
"""Where the clock of recordings without absolute times starts. Stamp 0 means "none" in ROS."""

CAMERA_HEIGHT_M = 1.65
"""Height of the cameras over the ground, from KITTI's description of its car (nominal)."""

NOMINAL_RATE_HZ = 10.0

IMAGE_SUFFIXES = ('.png', '.jpg')

# Left colour, left grey, right colour, right grey.
_PREFERRED_CAMERAS = (2, 0, 3, 1)


@dataclass(frozen=True)
class KittiOptions:
    """What a user may choose when a KITTI folder is opened.

    Attributes:
        camera: number of the camera (0 left grey, 1 right grey, 2 left colour, 3 right colour);
            None takes the left colour camera, or what the folder has.
        base_time_ns: time of second 0, for layouts whose times are relative [ns].
        camera_height_m: height of the camera over the ground [m]; None takes what a clip's
            calib.yaml says (0 when it says nothing), else `CAMERA_HEIGHT_M`.
        intrinsics: fx, fy, cx, cy of the images, which win over the calibration, or None [px].
        tolerant: a scan or a depth map that cannot be read is left out and named in its frame's
            ``damage``; else it is an error.
    """

    camera: int | None = None
    base_time_ns: int = RECORDING_DAY_NS
    camera_height_m: float | None = None
    intrinsics: tuple[float, float, float, float] | None = None
    tolerant: bool = False

    def corrected(self, camera: PinholeIntrinsics) -> PinholeIntrinsics:
        """Return the camera with the intrinsics that the user states."""
        if self.intrinsics is None:
            return camera
        fx, fy, cx, cy = self.intrinsics
        return replace(camera, fx=fx, fy=fy, cx=cx, cy=cy)


@dataclass
class FrameFiles:
    """Reads what lies beside one image.

    Attributes:
        tolerant: what cannot be read is left out; else it is an error.
        damage: why things were left out.
    """

    tolerant: bool
    damage: list[BagError] = field(default_factory=list)

    def read(
        self, path: Path | None, reader: Callable[[Path], Float32Array]
    ) -> Float32Array | None:
        """Return what the reader makes of a file; None: there is none, or it is damaged.

        Raises:
            BagError: it is damaged, and that is not tolerated.
        """
        if path is None:
            return None
        try:
            return reader(path)
        except BagError as error:
            if not self.tolerant:
                raise
            self.damage.append(error)
            return None


def read_numbers(path: Path) -> list[list[float]]:
    """Return the numbers of each line that is not empty; a leading ``name:`` is left out."""
    return [numbers for _, numbers in _labelled_lines(path)]


def read_calibration(path: Path) -> dict[str, Float64Array]:
    """Return the entries ``name: number ...`` of a calibration file (dates are left out)."""
    return {
        label: np.array(numbers, np.float64) for label, numbers in _labelled_lines(path) if label
    }


def read_poses(path: Path) -> Float64Array:
    """Return rows of twelve numbers as float64 [N, 4, 4]."""
    return matrices_3x4(read_numbers(path), path)


def matrices_3x4(rows: Sequence[Sequence[float]], path: Path) -> Float64Array:
    """Return 3x4 matrices, given row by row, as float64 [N, 4, 4]."""
    wrong = [index for index, row in enumerate(rows) if len(row) != 12]
    if wrong or not rows:
        where = f'line {wrong[0] + 1} has {len(rows[wrong[0]])}' if wrong else 'it is empty'
        raise BagError(f'{path} must hold 12 numbers on each line; {where}')
    matrices = np.tile(np.eye(4), (len(rows), 1, 1))
    matrices[:, :3] = np.array(rows, np.float64).reshape(-1, 3, 4)
    return matrices


def numbered_files(folder: Path, suffixes: Sequence[str]) -> dict[int, Path]:
    """Return the files of a folder that are named by their frame number, in order of numbers."""
    if not folder.is_dir():
        return {}
    files = [
        item for item in folder.iterdir() if item.suffix in suffixes and item.stem.isdecimal()
    ]
    return {int(item.stem): item for item in sorted(files, key=lambda item: int(item.stem))}


def camera_folders(folder: Path, pattern: str) -> dict[int, Path]:
    """Return the image folders that exist by camera number, the preferred first.

    Args:
        folder: of the recording.
        pattern: of the folders' names, for example ``image_{:02d}/data``.
    """
    folders = {number: folder / pattern.format(number) for number in _PREFERRED_CAMERAS}
    return {number: path for number, path in folders.items() if path.is_dir()}


def choose_camera(folder: Path, pattern: str, wanted: int | None) -> tuple[int, dict[int, Path]]:
    """Return a camera's number and its images by frame number.

    Raises:
        BagError: the folder has no such camera, or no images of it.
    """
    folders = camera_folders(folder, pattern)
    if wanted is not None and wanted not in folders:
        raise BagError(f'{folder} has no {pattern.format(wanted)}; it has {sorted(folders)}')
    number = next(iter(folders)) if wanted is None else wanted
    images = numbered_files(folders[number], IMAGE_SUFFIXES)
    if not images:
        raise BagError(f'{folders[number]} holds no numbered images')
    return number, images


def camera_of_projection(
    projection: Float64Array, image: UInt8Array
) -> tuple[PinholeIntrinsics, Float64Array]:
    """Return intrinsics, and camera from (rectified) camera 0, of one of KITTI's P matrices.

    KITTI's P projects points in the frame of camera 0: P = K [I | t].

    Args:
        projection: 3x4.
        image: an image of the camera, for its size.
    """
    matrix = projection[:3, :3]
    camera = PinholeIntrinsics(
        width=image.shape[1],
        height=image.shape[0],
        fx=float(matrix[0, 0]),
        fy=float(matrix[1, 1]),
        cx=float(matrix[0, 2]),
        cy=float(matrix[1, 2]),
    )
    camera_from_camera0 = np.eye(4)
    camera_from_camera0[:3, 3] = np.linalg.solve(matrix, projection[:3, 3])
    return camera, camera_from_camera0


def sample_image(images: dict[int, Path], options: KittiOptions) -> tuple[Path, UInt8Array]:
    """Return the image that tells the size of a recording's images: the first.

    Raises:
        BagError: it cannot be read; where damage is tolerated: none of them can.
    """
    for path in images.values():
        try:
            return path, read_image(path)
        except BagError:
            if not options.tolerant:
                raise
    path = next(iter(images.values()))
    raise BagError(f'none of the {len(images)} images in {path.parent} can be read')


def read_pixels(path: Path, flags: int) -> npt.NDArray[Any] | None:
    """Return an image file as OpenCV reads it with ``flags``; None: missing or damaged."""
    try:
        return cv2.imread(str(path), flags)
    except cv2.error:  # a header that claims more pixels than OpenCV takes; else it returns None
        return None


def read_image(path: Path) -> UInt8Array:
    """Return an image file as RGB [H, W, 3] or grey [H, W].

    Raises:
        BagError: it is missing or damaged.
    """
    image = read_pixels(path, cv2.IMREAD_ANYCOLOR)
    if image is None:
        raise BagError(f'cannot read image {path}: missing or damaged')
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return cast('UInt8Array', image)


def read_scan(path: Path) -> Float32Array:
    """Return a LiDAR scan as float32 [N, 4]: x y z reflectance."""
    try:
        numbers = np.fromfile(path, '<f4')
    except OSError as error:
        raise BagError(f'cannot read LiDAR scan {path}: {error}') from error
    if numbers.size % 4:
        raise BagError(f'LiDAR scan {path} is cut off: {numbers.size} numbers are no rows of 4')
    return numbers.reshape(-1, 4)


def read_depth(path: Path) -> Float32Array:
    """Return a KITTI depth map (uint16, metres x 256, 0 none) as metres, NaN unknown."""
    stored = read_pixels(path, cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 2:
        raise BagError(f'depth map {path} is not a 16-bit grey PNG')
    depth_m = stored.astype(np.float32) / np.float32(256)
    depth_m[stored == 0] = np.nan
    return cast('Float32Array', depth_m)


def relative_stamps_ns(
    times_file: Path, frame_numbers: Sequence[int], base_time_ns: int, rate_hz: float
) -> list[int]:
    """Return the stamps of frames, from a file of seconds, or at a nominal rate without one."""
    if not times_file.is_file():
        return [base_time_ns + round(number / rate_hz * 1e9) for number in frame_numbers]
    seconds = [row[0] for row in read_numbers(times_file)]
    check_covers(times_file, len(seconds), frame_numbers)
    return [base_time_ns + round(seconds[number] * 1e9) for number in frame_numbers]


def check_covers(path: Path, lines: int, frame_numbers: Sequence[int]) -> None:
    """Raise when a file with one line per frame ends before the last frame."""
    if frame_numbers[-1] >= lines:
        raise BagError(
            f'{path} has {lines} lines, but there is a frame number {frame_numbers[-1]}'
        )


def check_ascending(stamps_ns: Sequence[int], path: Path) -> None:
    """Raise when time stands still or runs backwards."""
    for index in range(1, len(stamps_ns)):
        if stamps_ns[index] <= stamps_ns[index - 1]:
            raise BagError(
                f'the times of {path} do not ascend: {stamps_ns[index - 1]} ns is followed by '
                f'{stamps_ns[index]} ns at frame {index}'
            )


def _labelled_lines(path: Path) -> list[tuple[str, list[float]]]:
    try:
        lines = path.read_text('utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f'cannot read {path}: {error}') from error
    parsed = []
    for index, line in enumerate(lines):
        label, colon, rest = line.rpartition(': ') if ':' in line else ('', '', line)
        if not line.strip() or label == 'calib_time':
            continue
        try:
            numbers = [float(word) for word in rest.split()]
        except ValueError as error:
            raise BagError(f'line {index + 1} of {path} holds no numbers: {line!r}') from error
        parsed.append((label.strip() if colon else '', numbers))
    return parsed
