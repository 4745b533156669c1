"""Which frames a causal segment hands to the next one, for every length."""

from __future__ import annotations

import pytest

from gemdepth_ros.inference.config import WINDOW_PRESETS
from gemdepth_ros.inference.segments import SegmentPlan

WINDOWS = range(1, 33)


@pytest.mark.parametrize('window', WINDOWS)
def test_key_slots(window):
    plan = SegmentPlan.of(window)
    keys = plan.key_slots
    assert list(keys) == sorted(set(keys))
    assert all(0 <= slot < window for slot in keys)
    assert plan.new_frames == window - len(keys) >= 1, 'a segment must make headway'
    assert (plan.shared >= 1) == (window > 1)
    # the shared frames are the last ones, and nothing but them is seeded as it arrives
    assert keys[len(keys) - plan.shared :] == tuple(range(window - plan.shared, window))
    assert plan.held_slots == keys[: len(keys) - plan.shared]
    if window >= 4:
        assert keys[0] == 0, 'the anchor goes along'


@pytest.mark.parametrize('window', WINDOWS)
def test_one_seed_per_frame_and_ready_in_time(window):
    plan = SegmentPlan.of(window)
    seeded = [(slot, plan.seed_slot(slot)) for slot in range(window)]
    keys = [key for _, key in seeded if key is not None]
    assert tuple(keys) == plan.key_slots, 'each key frame once, in slot order'
    for slot, key in seeded:
        if key is not None:
            assert key <= slot, 'a frame cannot be seeded before it came'
    if window > 1:
        assert seeded[-1][1] == window - 1
    # what is not shared must be held: its slot is filled before it is wanted
    for slot, key in seeded:
        if key is not None and slot != key:
            assert key in plan.held_slots
            assert key < slot


@pytest.mark.parametrize('window', WINDOWS)
def test_seeding_starts_after_the_seeded_slots(window):
    """Else a segment would seed while it still has to be seeded itself."""
    plan = SegmentPlan.of(window)
    first_seed = window - len(plan.key_slots)
    middle = [slot for slot in plan.held_slots if slot > 0]
    assert all(slot <= first_seed for slot in middle)
    # the candidate for a new anchor stands in slot 1
    if plan.held_slots:
        assert window - len(plan.key_slots) > 1 or window < 4


@pytest.mark.parametrize('length', [8, 16, 32])
def test_the_published_lengths_have_the_published_key_frames(length):
    preset = WINDOW_PRESETS[length]
    plan = SegmentPlan.of(length)
    assert plan.key_slots == preset.key_slots
    assert plan.shared == preset.blend
