"""Processes of the demonstration: none stays behind, and each fault is one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gemdepth_ros.cli.demonstration.children import Children, last_line
from gemdepth_ros.cli.demonstration.domain import free_domain
from gemdepth_ros.cli.demonstration.settings import (
    PROFILE_VARIABLES,
    NodeSettings,
    process_environment,
    transport_profile,
)
from gemdepth_ros.errors import GemDepthError

SLEEP = 'import time; time.sleep(60)'
OBEDIENT = (
    'import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(3)); '
    'print("ready", flush=True); time.sleep(60)'
)
STUBBORN = (
    'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); '
    'print("ready", flush=True); time.sleep(60)'
)


@pytest.fixture
def start(tmp_path):
    """Start `python -c CODE`; returns the Child when it has printed what is awaited."""
    with Children(os.environ, tmp_path) as children:

        def run(code, awaited='ready'):
            child = children.start('helper', [sys.executable, '-c', code])
            end_s = time.monotonic() + 60
            while awaited not in child.log.read_text() and child.exit_code is None:
                assert time.monotonic() < end_s
                time.sleep(0.01)
            return child

        yield run


def is_alive(pid):
    """A process that has ended but that nobody has asked for its exit code does not run."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(')')[2].split()[0] not in ('Z', 'X')


def test_a_child_that_obeys_ends_with_its_own_code(start):
    assert start(OBEDIENT).stop() == 3


def test_a_child_that_does_not_obey_is_killed(start):
    assert start(STUBBORN).stop(timeout_s=0.2) == -signal.SIGKILL


def test_an_early_end_is_one_line_with_the_last_words(start):
    child = start(
        'print("first", flush=True); raise SystemExit("[FATAL] [1.2] [node]: no such weights")'
    )
    child.wait(30)  # a signal on its way out may cost it its last words
    with pytest.raises(GemDepthError) as error:
        child.check_running()
    assert 'the helper ended too early (exit code 1): no such weights' in str(error.value)
    assert '\n' not in str(error.value)


def test_what_says_nothing_is_reported_too(tmp_path):
    (tmp_path / 'empty.log').write_text('\n')
    assert last_line(tmp_path / 'empty.log') == 'it wrote nothing'


def test_nothing_runs_after_an_exception(tmp_path):
    def broken():
        with Children(os.environ, tmp_path) as children:
            started.append(children.start('helper', [sys.executable, '-c', SLEEP]))
            raise ZeroDivisionError

    started = []
    with pytest.raises(ZeroDivisionError):
        broken()
    assert started[0].exit_code is not None


def test_nothing_runs_after_the_parent_was_killed(tmp_path):
    code = (
        'import os, sys, time\nfrom pathlib import Path\n'
        'from gemdepth_ros.cli.demonstration.children import Children\n'
        f'with Children(os.environ, Path({str(tmp_path)!r})) as children:\n'
        f'    children.start("helper", [sys.executable, "-c", "import os; print(os.getpid(), '
        f'flush=True); {SLEEP}"])\n'
        '    time.sleep(60)\n'
    )
    log = tmp_path / 'helper.log'
    with subprocess.Popen([sys.executable, '-c', code]) as parent:
        end_s = time.monotonic() + 60
        while not (log.exists() and log.read_text().strip()):
            assert time.monotonic() < end_s
            time.sleep(0.01)
        parent.kill()
    pid = int(log.read_text().split()[0])
    end_s = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < end_s:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_two_demonstrations_take_two_domains():
    with free_domain() as first, free_domain() as second:
        assert first != second
        assert all(domain in range(1, 100) for domain in (first, second))


def test_a_domain_with_a_participant_is_not_taken(monkeypatch):
    monkeypatch.setattr('gemdepth_ros.cli.demonstration.domain._DOMAINS', range(96, 98))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * 96 + 12))
        for _ in range(5):
            with free_domain() as domain:
                assert domain == 97


def test_without_a_free_domain_it_says_so(monkeypatch):
    monkeypatch.setattr('gemdepth_ros.cli.demonstration.domain._DOMAINS', range(98, 99))
    with (
        free_domain(),
        pytest.raises(GemDepthError, match=r'no free ROS domain in 98\.\.98'),
        free_domain(),
    ):
        pass


def test_the_environment_is_a_domain_of_its_own_on_this_machine(monkeypatch, tmp_path):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    environment = process_environment(42, tmp_path)
    assert environment['ROS_DOMAIN_ID'] == '42'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    for name in PROFILE_VARIABLES:
        assert environment[name].endswith('config/fastdds_shm.xml')


def test_the_user_s_transport_profile_goes_first(monkeypatch, tmp_path):
    own = tmp_path / 'own.xml'
    own.touch()
    for name in PROFILE_VARIABLES:
        monkeypatch.setenv(name, str(own))
    assert transport_profile() == own


def test_a_weights_file_may_have_any_name():
    settings = NodeSettings('small', "/it's/1.0", 'causal', 16, 130)
    arguments = settings.arguments((375, 1242))
    assert "network.weights:='/it''s/1.0'" in arguments
    assert 'warm_up_height:=375' in arguments
    without = NodeSettings('small', '', 'causal', 16, 130).arguments((375, 1242))
    assert "network.weights:=''" in without, 'not the default, which are weights'
