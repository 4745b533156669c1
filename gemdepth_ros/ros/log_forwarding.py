"""Forward the package's standard logging to the node's logger, so that it reaches /rosout."""

from __future__ import annotations

import logging
from typing import Any

PACKAGE = 'gemdepth_ros'


class RosLogHandler(logging.Handler):
    """A logging handler that writes to a rclpy logger."""

    def __init__(self, ros_logger: Any) -> None:
        super().__init__()
        self._ros_logger = ros_logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. One call per severity: rclpy ties a line of code to its severity."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._ros_logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._ros_logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._ros_logger.info(text)
        else:
            self._ros_logger.debug(text)


class _First(logging.Filter):
    """Lets records through to one handler only: several nodes of a process print a line once."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether this handler is the first of the nodes'."""
        handlers = logging.getLogger(PACKAGE).handlers
        return next(h for h in handlers if isinstance(h, RosLogHandler)) is self._handler


def forward_logging(ros_logger: Any) -> logging.Handler:
    """Send what the package logs to ``ros_logger``; return the handler to remove at the end."""
    logger = logging.getLogger(PACKAGE)
    handler = RosLogHandler(ros_logger)
    handler.addFilter(_First(handler))
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logger.propagate = False  # the node's logger prints already
    return handler


def stop_forwarding(handler: logging.Handler) -> None:
    """Undo ``forward_logging``."""
    logger = logging.getLogger(PACKAGE)
    logger.removeHandler(handler)
    if not any(isinstance(h, RosLogHandler) for h in logger.handlers):
        logger.propagate = True
