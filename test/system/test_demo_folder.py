"""The folder of a demonstration: files of others in it are not touched."""

from __future__ import annotations

import json

import pytest
from demo_fakes import good_summary

from gemdepth_ros.cli.demonstration.clip import make_clip
from gemdepth_ros.cli.demonstration.folder import claim, clear_logs
from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import ConfigError


def test_a_new_and_an_empty_folder_are_taken_and_again(tmp_path):
    for folder in (tmp_path, tmp_path / 'a' / 'new'):
        claim(folder)
        (folder / 'logs').mkdir()  # a demonstration that failed while it started
        claim(folder)


def test_the_folder_of_an_earlier_version_is_taken(tmp_path):
    (tmp_path / 'summary.json').write_text(json.dumps(good_summary().as_json([])))
    (tmp_path / 'report.png').touch()
    claim(tmp_path)


@pytest.mark.parametrize('content', ['{"mine": 1}', '[1]', 'no JSON', b'\xff'])
def test_somebody_else_s_folder_is_refused(tmp_path, content):
    file = tmp_path / 'summary.json'
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match='is not empty and holds no earlier demonstration'):
        claim(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ['summary.json']


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigError, match=r'cannot use .*file for the demonstration: File exists'):
        claim(tmp_path / 'file')


def test_nothing_is_written_before_the_folder_is_claimed(tmp_path):
    (tmp_path / 'mine.txt').touch()
    with pytest.raises(ConfigError, match='not empty'):
        make_clip(None, 2, tmp_path / 'input')
    assert [item.name for item in tmp_path.iterdir()] == ['mine.txt']


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    (tmp_path / 'logs').mkdir()
    (tmp_path / 'logs' / 'precious.log').write_text('mine')
    assert main(['demo', '-o', str(tmp_path), '--frames', '2', '--weights', 'none']) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(f'gemdepth-ros: error: {tmp_path} is not empty')
    assert errors.count('\n') == 1
    assert (tmp_path / 'logs' / 'precious.log').read_text() == 'mine'


def test_only_the_demonstration_s_own_logs_are_deleted(tmp_path):
    logs = tmp_path / 'logs'
    clear_logs(logs)
    for name in ('node.log', 'recorder.log', 'player.log', 'precious.log'):
        (logs / name).touch()
    (logs / 'ros').mkdir()
    (logs / 'ros' / 'launch.log').touch()
    (logs / 'kept').mkdir()
    clear_logs(logs)
    assert sorted(item.name for item in logs.iterdir()) == ['kept', 'precious.log']
