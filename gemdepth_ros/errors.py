"""The errors of this package: one line for a user, naming the thing, the value and the remedy."""


class GemDepthError(Exception):
    """Something a user, a file or a sensor caused; its text is complete in one line."""


class ConfigError(GemDepthError):
    """A configuration value is out of range or contradicts another one."""


class WeightsError(GemDepthError):
    """A weights file is missing, damaged, or does not fit the network."""


class ImageError(GemDepthError):
    """An image cannot be decoded: unknown encoding, too little data, or an impossible size."""


class SensorError(GemDepthError):
    """A message of another sensor (LiDAR, odometry, IMU) cannot be used."""


class BagError(GemDepthError):
    """A bag or a recording folder cannot be read or written."""


class InferenceError(GemDepthError):
    """The network gave something that must not be published (NaN, Inf) or could not run."""


class DeviceMemoryError(InferenceError):
    """The device's memory did not suffice; the text says what needs less."""


class EngineError(InferenceError):
    """A compiled, captured or exported form of the network cannot be used; eager goes on."""


class TrainingError(GemDepthError):
    """A training run cannot go on; the text names the step and what is kept."""


class DependencyError(GemDepthError):
    """An optional dependency is missing; the text says how to install it."""
