"""A ROS domain that nobody on this machine is in."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gemdepth_ros.errors import ConfigError

_DOMAINS = range(1, 100)  # their ports lie below those that Linux gives to outgoing connections
_PARTICIPANTS = 8


@contextmanager
def free_domain() -> Iterator[int]:
    """Yield a free ROS_DOMAIN_ID; a second demonstration does not take it meanwhile.

    Raises:
        ConfigError: all are taken.
    """
    for domain in random.sample(_DOMAINS, len(_DOMAINS)):
        with ExitStack() as stack:
            try:
                # An abstract address: it goes with this process, however that ends.
                lock = stack.enter_context(socket.socket(socket.AF_UNIX))
                lock.bind(f'\0gemdepth_ros_demo_{domain}')
                _bind_ports(domain)
            except OSError:
                continue
            yield domain
            return
    raise ConfigError(
        f'no free ROS domain in {_DOMAINS.start}..{_DOMAINS.stop - 1}: end other ROS processes'
    )


def _bind_ports(domain: int) -> None:
    """Try the UDP ports where participants of a domain are reached (DDSI-RTPS 9.6.1.1)."""
    for participant in range(_PARTICIPANTS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(('', 7400 + 250 * domain + 10 + 2 * participant))
