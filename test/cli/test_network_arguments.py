"""Which network runs when the command line leaves it open."""

from __future__ import annotations

import argparse

import pytest

from gemdepth_ros.cli.network_arguments import add_network_choice, settle_network


def settled(*words: str, input_size: int = 518) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_network_choice(parser.add_argument_group('network'), input_size)
    args = parser.parse_args(words)
    settle_network(args)
    return args


def test_nothing_said_is_the_demonstration_model_at_its_own_size() -> None:
    args = settled()
    assert (args.weights, args.preset, args.input_size) == ('gemdepth-tiny', 'tiny', 182)


def test_a_size_that_is_given_stays() -> None:
    assert settled('--input-size', '280').input_size == 280


def test_a_smaller_default_is_not_raised_to_the_largest_of_the_weights() -> None:
    assert settled(input_size=98).input_size == 98


@pytest.mark.parametrize(
    'words', [('--preset', 'small'), ('--weights', 'none'), ('--weights', '')]
)
def test_random_numbers(words: tuple[str, ...]) -> None:
    args = settled(*words)
    assert args.weights == ''
    assert args.input_size == 518


def test_known_weights_name_their_network() -> None:
    args = settled('--weights', 'vda-metric-small')
    assert (args.preset, args.input_size) == ('vda-metric-small', 518)


def test_a_file_is_looked_into_later() -> None:
    args = settled('--weights', 'mine.safetensors')
    assert (args.weights, args.preset, args.input_size) == ('mine.safetensors', 'auto', 518)


def test_a_size_below_one_patch_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settled('--input-size', '13')
    assert 'must be >= 14' in capsys.readouterr().err
