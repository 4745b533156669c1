"""How a frame gets to the device: resized before (by OpenCV) or after (there)."""

from __future__ import annotations

import torch
from torch import Tensor

from gemdepth_ros.inference.config import Preprocessing
from gemdepth_ros.inference.device_preprocessing import DevicePreprocessor
from gemdepth_ros.inference.preprocessing import preprocess
from gemdepth_ros.interfaces import UInt8Array


class FrameInput:
    """Makes the network's input of one stream's images.

    Args:
        device: where the network is.
        where: ``host``: OpenCV, as the weights were trained; ``device``: there, equal to rounding
            (5e-7 of the values); ``auto``: on a GPU there, else here.
    """

    def __init__(self, device: torch.device, where: Preprocessing = 'auto') -> None:
        self._device = device
        self._on_device = where == 'device' or (where == 'auto' and device.type == 'cuda')
        self._there: DevicePreprocessor | None = None

    def __call__(self, image_rgb: UInt8Array, size: tuple[int, int]) -> Tensor:
        """Return the network's input, float32 [3, h, w], on the device.

        Args:
            image_rgb: uint8 [H, W, 3].
            size: (h, w) from ``network_size``.
        """
        if not self._on_device:
            return torch.from_numpy(preprocess(image_rgb, size)).to(self._device)
        frame_size = (image_rgb.shape[0], image_rgb.shape[1])
        there = self._there
        if there is None or (there.frame_size, there.size) != (frame_size, size):
            there = self._there = DevicePreprocessor(frame_size, size, self._device)
        return there(image_rgb)
