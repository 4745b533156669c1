"""ROS tests: shared fixtures, and no time limits of hypothesis on a busy machine."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile('no_deadline', deadline=None)
settings.load_profile('no_deadline')


@pytest.fixture
def humble_rclpy(monkeypatch):
    """As in Humble: whatever a callback looks like, it gets the message alone."""
    from rclpy.subscription import Subscription

    from gemdepth_ros.ros import qos

    def set_callback(subscription, callback):
        subscription._callback = callback
        subscription._callback_type = Subscription.CallbackType.MessageOnly

    monkeypatch.setattr(
        Subscription, 'callback', property(lambda self: self._callback, set_callback)
    )
    monkeypatch.setattr(qos, 'PASSES_MESSAGE_INFO', False)


@pytest.fixture
def world(monkeypatch):
    """A ``World``: nodes on one executor over real DDS; see ros_harness.py."""
    from ros_harness import ros

    with ros(monkeypatch) as made:
        yield made
