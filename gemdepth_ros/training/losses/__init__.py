"""The losses of the method; each module has its equations."""

from gemdepth_ros.training.losses.total import Losses, total_loss

__all__ = ['Losses', 'total_loss']
