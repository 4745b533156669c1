"""Out of memory: which smaller stream to go on with."""

from __future__ import annotations

from dataclasses import replace

from gemdepth_ros.inference.config import StreamingConfig

PATCH = 14  # network inputs are multiples of it [px]
SMALLEST_WINDOW = 2
SMALLEST_INPUT = 14 * PATCH  # below this a network sees too little of a road to be of use [px]
INPUT_STEP = 0.75
# What the allocators of torch and its libraries say; only CUDA's has a class of its own.
ALLOCATORS = ('allocate memory', 'CUDA out of memory', 'ALLOC_FAILED')


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means that memory, the device's or the host's, is used up."""
    if isinstance(error, MemoryError):
        return True
    allocator = any(text in str(error) for text in ALLOCATORS)
    # torch.OutOfMemoryError is a RuntimeError; its name differs between versions.
    named = 'OutOfMemoryError' in {kind.__name__ for kind in type(error).__mro__}
    return named or (isinstance(error, RuntimeError) and allocator)


def smaller_stream(config: StreamingConfig) -> tuple[StreamingConfig, str] | None:
    """Return the next smaller setting and one line that says what it is.

    First a backend is given up, which holds memory beside the network and would have to be made
    again, for minutes, for every smaller stream. Then the window is halved, which costs the least
    of what is seen in one image; then the network's input shrinks.

    Returns:
        None when nothing smaller is of use.
    """
    if config.backend != 'eager':
        return replace(config, backend='eager'), f'streaming.backend {config.backend} -> eager'
    if config.window > SMALLEST_WINDOW:
        window = max(config.window // 2, SMALLEST_WINDOW)
        text = f'streaming.window {config.window} -> {window}'
        return replace(config, window=window), text
    size = int(config.input_size * INPUT_STEP) // PATCH * PATCH
    if size < SMALLEST_INPUT:
        return None
    text = f'streaming.input_size {config.input_size} -> {size}'
    return replace(config, input_size=size), text
