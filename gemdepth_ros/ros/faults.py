"""Exceptions that have a cause outside the program, told in one line."""

from __future__ import annotations

REMEDY = (
    'lower streaming.input_size or streaming.window, set streaming.mode to causal, or set '
    'network.dtype to float16'
)


def out_of_memory(error: BaseException) -> str:
    """Return one line about an exception that memory, the device's or the host's, caused, or ''.

    torch is not imported to know its exceptions: they have a name, or are a RuntimeError of the
    allocator.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    text = next(iter(str(error).splitlines()), '').strip()
    allocator = isinstance(error, RuntimeError) and 'allocate memory' in text
    if not allocator and not names & {'OutOfMemoryError', 'MemoryError'}:
        return ''
    return f'out of memory{f" ({text})" if text else ""}: {REMEDY}'
