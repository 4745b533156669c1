"""The demonstration's own verdict: it passes what is right and finds every doctored number."""

from __future__ import annotations

import dataclasses
import json

import pytest
from demo_fakes import good_summary, with_frames, with_topic

from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.checks import problems
from gemdepth_ros.cli.demonstration.summary import Percentiles


def test_a_good_summary_has_no_problem():
    assert problems(good_summary()) == []


def test_frames_may_be_pending_rejected_or_failed_as_long_as_they_are_counted():
    assert problems(with_frames(dropped=0, rejected=1, failed=1, pending=1)) == []


def test_ground_truth_is_not_in_every_clip():
    assert problems(with_topic(topics.GROUND_TRUTH, record=None)) == []


@pytest.mark.parametrize(
    ('counts', 'text'),
    [
        ({'dropped': 2}, '10 frames were published, but processed 7 + dropped 2 '),
        ({'pending': 1}, '= 11'),
        ({'published': 78}, '78 frames were published'),
        ({'published': 0}, 'no frame was published'),
        ({'processed': 0, 'dropped': 10}, 'no frame was processed'),
    ],
)
def test_a_wrong_account_is_found(counts, text):
    assert any(text in line for line in problems(with_frames(**counts)))


def processed_of(published, processed, **changes):
    """A summary of so many frames; all others were dropped."""
    return good_summary(published, processed, published - processed, **changes)


@pytest.mark.parametrize(('processed', 'good'), [(14, False), (15, True), (16, True)])
def test_a_share_of_the_frames_must_be_processed(processed, good):
    found = problems(processed_of(60, processed, node_ms=Percentiles(400.0, 500.0), seconds=6.0))
    assert (found == []) is good
    if not good:
        assert found == [
            '14 of 60 frames were processed, but 15 (25%) are required: play slower (--rate 0.5), '
            'or lower --min-share'
        ]


def test_a_slow_machine_may_be_allowed():
    slow = Percentiles(3000.0, 3500.0)
    summary = processed_of(60, 2, node_ms=slow, seconds=6.0, required_share=0.0)
    assert problems(summary) == []


def test_a_fast_network_without_frames_is_found():
    """The node could have done all 60 in 6 s; something kept half of them from it."""
    summary = processed_of(60, 29, node_ms=Percentiles(50.0, 60.0), seconds=6.0)
    (line,) = problems(summary)
    assert line.startswith('29 frames were processed, but at 50 ms each 60 fit into 6.0 s')
    assert problems(dataclasses.replace(summary, node_ms=Percentiles(110.0, 130.0))) == []


@pytest.mark.parametrize('name', [*topics.OUTPUTS, topics.IMAGE, '/tf_static'])
@pytest.mark.parametrize('change', [{'count': 0, 'stamps': 0}, {'record': None}])
def test_an_empty_or_missing_topic_is_found(name, change):
    assert f'the output bag has no message of {name}' in problems(with_topic(name, **change))


@pytest.mark.parametrize('name', topics.EVERY_FRAME)
def test_a_message_that_the_recorder_missed_is_found(name):
    (line,) = problems(with_topic(name, count=6, stamps=6))
    assert '7 frames were processed' in line
    assert f'6 messages of {name}' in line


@pytest.mark.parametrize('name', topics.STAMPED)
def test_a_stamp_that_no_image_has_is_found(name):
    (line,) = problems(with_topic(name, foreign_stamps=(123456789,)))
    assert line.startswith(name)
    assert '123456789 ns' in line


def test_two_outputs_of_one_image_are_found():
    (line,) = problems(with_topic(topics.DEPTH, stamps=6))
    assert '7 messages but 6 different stamps' in line


def test_a_process_that_did_not_end_well_is_found():
    codes = {'player': 0, 'recorder': -9, 'node': 0}
    assert problems(good_summary(exit_codes=codes)) == ['the recorder ended with exit code -9']


def test_the_summary_is_json_with_the_problems():
    text = json.dumps(good_summary().as_json(['something']))
    content = json.loads(text)
    assert content['problems'] == ['something']
    assert content['frames']['published'] == 10
    assert content['topics'][topics.DEPTH]['rate_hz'] == 7.0
