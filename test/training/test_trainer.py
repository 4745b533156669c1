from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml
from training_cases import (
    MICRO,
    micro_config,
    micro_sequence,
    trained_network,
    weights_of,
    write_sequences,
)

from gemdepth_ros.errors import ConfigError, TrainingError, WeightsError
from gemdepth_ros.model.build import build_gemdepth
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.training.checkpoints import load_checkpoint, saved_steps
from gemdepth_ros.training.config import OptimizerConfig, TrainingConfig
from gemdepth_ros.training.export import export_weights
from gemdepth_ros.training.loader import Steps, batches
from gemdepth_ros.training.record import RunLog, read_log
from gemdepth_ros.training.starting import starting_network
from gemdepth_ros.training.trainer import Trainer

CPU = torch.device('cpu')


def make_trainer(folder: Path, config: TrainingConfig) -> Trainer:
    folder.mkdir(exist_ok=True)
    return Trainer(config, trained_network(config.losses), CPU, folder)


def run(trainer: Trainer, until: int | None = None, log: RunLog | None = None) -> None:
    steps = Steps(trainer.config, [micro_sequence(seed) for seed in range(3)])
    source = batches(steps, trainer.step, workers=0, pin=False)
    held_out = [micro_sequence(9)]
    trainer.run(source, held_out, log, lambda: trainer.step == until, lambda _: None)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    config = micro_config(30, save_every=30)
    trainer = make_trainer(tmp_path, config)
    run(trainer, log=RunLog(tmp_path, 0))
    totals = [line['total'] for line in read_log(tmp_path) if 'total' in line]
    assert sum(totals[-5:]) < 0.7 * sum(totals[:5])
    assert (tmp_path / 'curves.png').stat().st_size > 1000


def test_a_stopped_run_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    config = micro_config(7)
    whole = make_trainer(tmp_path / 'whole', config)
    run(whole)
    stopped = make_trainer(tmp_path / 'stopped', config)
    run(stopped, until=3)
    again = make_trainer(tmp_path / 'stopped', config)
    state = load_checkpoint(tmp_path / 'stopped')
    assert state is not None
    again.restore(state)
    assert again.step == 3
    run(again)
    for ours, theirs in zip(
        [*weights_of(again.network), *again.mean.mean],
        [*weights_of(whole.network), *whole.mean.mean],
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run(make_trainer(tmp_path, micro_config(7)))
    assert saved_steps(tmp_path) == [6, 7]
    assert not list(tmp_path.glob('*.part'))


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run(make_trainer(tmp_path, micro_config(4)))
    newest = tmp_path / 'checkpoint_00000004.pt'
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r'checkpoint_00000004\.pt .*remove it'):
        load_checkpoint(tmp_path)


def test_another_configuration_does_not_resume(tmp_path: Path) -> None:
    config = micro_config(3)
    run(make_trainer(tmp_path, config))
    state = load_checkpoint(tmp_path)
    assert state is not None
    with pytest.raises(TrainingError, match='another configuration'):
        make_trainer(tmp_path, replace(config, seed=5)).restore(state)


@pytest.mark.parametrize('where', ['loss', 'gradient'])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, where: str) -> None:
    config = micro_config(7)
    trainer = make_trainer(tmp_path, config)
    run(trainer, until=5)
    before = weights_of(trainer.network)
    batch = Steps(config, [micro_sequence(seed) for seed in range(3)])[5]
    if where == 'loss':
        batch.images_BTCHW[0, 0, 0, 0, 0] = float('nan')
    else:
        next(trainer.network.parameters()).register_hook(lambda g: g * float('inf'))
    with pytest.raises(TrainingError, match=r'step 5: .*batch seed \[0, 5\].*step 5 is kept'):
        trainer.train_step(batch)
    assert all(map(torch.equal, weights_of(trainer.network), before))
    assert saved_steps(tmp_path)[-1] == 5


def test_validation_scores_the_running_mean_and_puts_the_weights_back(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, micro_config(4))
    run(trainer)
    before = weights_of(trainer.network)
    scores = trainer.validate([micro_sequence(9)])
    assert all(map(torch.equal, weights_of(trainer.network), before))
    trainer.mean.exchange()
    assert trainer.validate([micro_sequence(9)]) != scores
    assert 0 < scores['abs_rel'] < 1
    assert 0 <= scores['delta1'] <= 1


def test_exported_weights_are_the_running_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path, micro_config(4))
    run(trainer)
    mean = dict(zip(trainable_names(trainer), trainer.mean.mean, strict=True))
    expected = {name: value.clone() for name, value in mean.items()}
    trainer.mean.exchange()
    path = export_weights(trainer.network.model, tmp_path, {'steps': 4})
    loaded = build_gemdepth(MICRO, path)
    for name, parameter in loaded.named_parameters():
        if name in expected:
            assert torch.equal(parameter, expected[name].half().float())
    assert json.loads((tmp_path / 'model_card.json').read_text()) == {'steps': 4}


def trainable_names(trainer: Trainer) -> list[str]:
    model = trainer.network.model
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_fine_tuning_starts_from_the_given_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(tmp_path, micro_config(2))
    path = export_weights(trainer.network.model, tmp_path, {})
    monkeypatch.setitem(PRESETS, 'micro', MICRO)
    for name in ('micro', 'auto'):
        model = starting_network(micro_config(network=name), path)
        for ours, theirs in zip(weights_of(model), weights_of(trainer.network), strict=True):
            assert torch.equal(ours, theirs.half().float())
        assert not model.encoder.pos_embed.requires_grad
        assert model.encoder.cls_token.requires_grad
    with pytest.raises(ConfigError, match='--init'):
        starting_network(micro_config(network='auto'), None)


def test_muon_moves_matrices_and_adamw_the_rest(tmp_path: Path) -> None:
    optimizer = OptimizerConfig(kind='muon', learning_rate=1e-9, matrix_rate=1e-2, warmup_steps=1)
    trainer = make_trainer(tmp_path, micro_config(1, optimizer=optimizer))
    before = dict(zip(trainable_names(trainer), map(torch.clone, trainer.parameters), strict=True))
    run(trainer)
    moved = {
        name: float((parameter - before[name]).detach().abs().max()) > 1e-5
        for name, parameter in zip(trainable_names(trainer), trainer.parameters, strict=True)
    }
    assert moved['encoder.blocks.0.mlp.fc1.weight']
    assert moved['astt.spatial_blocks.1.attn.qkv.weight']
    for name in ('encoder.norm.weight', 'head.output_conv2.weight', 'encoder.cls_token'):
        assert not moved[name]


def test_a_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    for step in range(1, 6):
        log.add({'step': step})
    with log.path.open('a') as file:
        file.write('{"step": 6, "tot')
    assert [line['step'] for line in RunLog(tmp_path, 3).lines] == [1, 2, 3]
    assert [line['step'] for line in read_log(tmp_path)] == [1, 2, 3]


def test_a_log_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('gemdepth_ros.training.record.LARGEST_LINES', 20)
    log = RunLog(tmp_path, 0)
    for step in range(1, 101):
        log.add({'step': step})
    lines = read_log(tmp_path)
    assert len(lines) <= 20
    assert lines[-1]['step'] == 100
    assert [line['step'] for line in lines] == sorted({line['step'] for line in lines})


# Below: whole processes, as a user starts them.

DRIVER = """
import sys
from gemdepth_ros.cli.main import main
import gemdepth_ros.model.config as config
sys.path.insert(0, {folder!r})
import training_cases
config.PRESETS['micro'] = training_cases.MICRO
sys.exit(main(sys.argv[1:]))
"""


def write_run(tmp_path: Path, config: TrainingConfig) -> list[str]:
    """Write data and configuration; return the command that trains."""
    values = asdict(replace(config, network='micro'))
    values['stages'] = list(values['stages'])
    (tmp_path / 'run.yaml').write_text(yaml.safe_dump(values))
    write_sequences(tmp_path / 'data', config)
    driver = DRIVER.format(folder=str(Path(__file__).parent))
    return [
        *('-c', driver, 'train', '--config', str(tmp_path / 'run.yaml')),
        *('--data', str(tmp_path / 'data'), '--threads', '1', '--resume', '--device', 'cpu'),
    ]


def start(command: list[str], output: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command, '--output', str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def wait_for(condition, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_and_resumed_is_bit_equal(tmp_path: Path) -> None:
    command = write_run(
        tmp_path, micro_config(24, optimizer=OptimizerConfig(kind='muon', warmup_steps=2))
    )
    reference = start(command, tmp_path / 'whole')
    killed = start(command, tmp_path / 'killed')
    wait_for(lambda: len(saved_steps(tmp_path / 'killed')) == 2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = saved_steps(tmp_path / 'killed')
    assert left[-1] < 24
    assert start(command, tmp_path / 'killed').wait(120) == 0
    assert reference.wait(120) == 0
    ours, theirs = (load_checkpoint(tmp_path / name) for name in ('killed', 'whole'))
    assert ours is not None
    assert theirs is not None
    assert ours['step'] == theirs['step'] == 24
    for name, tensor in theirs['network'].items():
        assert torch.equal(ours['network'][name], tensor)
    assert all(map(torch.equal, ours['mean'], theirs['mean']))
    assert len(theirs['optimizer']) == 2
    for our_part, their_part in zip(ours['optimizer'], theirs['optimizer'], strict=True):
        for number, values in their_part['state'].items():
            assert all(torch.equal(our_part['state'][number][k], v) for k, v in values.items())
    for kind in ('killed', 'whole'):
        steps = [line['step'] for line in read_log(tmp_path / kind) if 'total' in line]
        assert steps == list(range(1, 25))


def test_termination_saves_and_ends(tmp_path: Path) -> None:
    command = write_run(tmp_path, micro_config(5000, save_every=5000))
    process = start(command, tmp_path / 'run')
    wait_for(lambda: len(read_log(tmp_path / 'run')) > 2)
    process.terminate()
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    assert saved_steps(tmp_path / 'run')
    assert 'of 5000' in text


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    from gemdepth_ros.training.session import Session, train

    config = micro_config(2)
    write_sequences(tmp_path / 'data', config)
    run(make_trainer(tmp_path / 'run', config))
    with pytest.raises(ConfigError, match='--resume'):
        train(config, Session(tmp_path / 'run', tmp_path / 'data'), lambda _: None)


def test_two_processes_train_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = replace(micro_config().stages[0], lengths={1: 1.0, 2: 1.0})
    command = write_run(tmp_path, micro_config(5, stages=(stage,)))
    alone = start(command, tmp_path / 'alone')
    script = tmp_path / 'driver.py'
    script.write_text(command[1])
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    both = start([*launcher, str(script), *command[2:]], tmp_path / 'both')
    text, _ = both.communicate(timeout=200)
    assert both.returncode == 0, text
    assert alone.wait(120) == 0
    ours, theirs = (load_checkpoint(tmp_path / name) for name in ('both', 'alone'))
    assert ours is not None
    assert theirs is not None
    monkeypatch.setitem(PRESETS, 'micro', MICRO)
    start_state = starting_network(micro_config(network='micro'), None).state_dict()
    apart, moved = (
        sum(float((a[name] - b[name]).square().sum()) for name in start_state) ** 0.5
        for a, b in (
            (ours['network'], theirs['network']),
            (theirs['network'], start_state),
        )
    )
    # Not zero: Adam moves a weight by the learning rate even where its gradient is rounding.
    assert apart < 0.02 * moved
    assert (tmp_path / 'both' / 'weights.safetensors').is_file()
