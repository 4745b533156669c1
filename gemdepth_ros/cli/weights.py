"""``gemdepth-ros weights``: list, get, add, verify, path, check, convert."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.hub.catalogue import NETWORKS

if TYPE_CHECKING:
    from gemdepth_ros.hub import WeightsEntry

DESCRIPTION = 'Find, download and check the weights of the network.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of ``gemdepth-ros weights``."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    actions.add_parser('list', help='show the known weights and whether they are here')
    get = actions.add_parser('get', help='download weights; a broken transfer continues')
    get.add_argument('name', metavar='NAME')
    get.add_argument(
        '--accept-licence',
        '--accept-license',
        action='store_true',
        dest='accept_licence',
        help='do not ask whether the terms printed first are accepted',
    )
    add = actions.add_parser('add', help='copy a file fetched by other means into the cache')
    add.add_argument('name', metavar='NAME')
    add.add_argument('file', metavar='FILE', type=Path)
    verify = actions.add_parser('verify', help='compare the cached file with its checksum record')
    verify.add_argument('name', metavar='NAME')
    path = actions.add_parser('path', help='print where the cached file lies')
    path.add_argument('name', metavar='NAME')
    check = actions.add_parser('check', help='check every tensor of a file against a network')
    check.add_argument('file', metavar='FILE', help='.pth or .safetensors file, or a NAME')
    check.add_argument(
        '--preset',
        choices=NETWORKS,
        help='network; default: that of the NAME, what it looks like for a file',
    )
    convert = actions.add_parser(
        'convert', help='write a file as safetensors, which every PyTorch reads safely'
    )
    convert.add_argument('file', metavar='FILE', help='.pth or .safetensors file, or a NAME')
    convert.add_argument('-o', '--output', required=True, metavar='FILE', type=Path)
    convert.add_argument('--preset', choices=NETWORKS, help='network, as of check')


def run(args: argparse.Namespace) -> int:
    """Run one action; what goes wrong is a ``GemDepthError``.

    Returns:
        0, or 1 where the licence was declined.
    """
    if args.action == 'list':
        return _list()
    if args.action == 'check':
        return _check(args.file, args.preset)
    if args.action == 'convert':
        return _convert(args.file, args.output.expanduser(), args.preset)
    from gemdepth_ros.hub import find_entry

    entry = find_entry(args.name)
    if args.action == 'get':
        return _get(entry, args.accept_licence)
    if args.action == 'add':
        return _add(entry, args.file)
    return _verify(entry) if args.action == 'verify' else _path(entry)


def _list() -> int:
    from rich.console import Console
    from rich.table import Column, Table

    from gemdepth_ros.hub import CATALOGUE

    table = Table('name', 'network', 'here', 'licence', Column('page', overflow='fold'))
    for entry in CATALOGUE.values():
        table.add_row(entry.name, entry.preset, _presence(entry), entry.licence, entry.page)
    Console().print(table)
    return 0


def _presence(entry: WeightsEntry) -> str:
    """Say in a few words what the cache has, from sizes only (``verify`` reads the file)."""
    from gemdepth_ros.hub import read_record, weights_path

    path = weights_path(entry)
    if not path.is_file():
        return 'no'
    if entry.bundled:
        return f'{path.stat().st_size / 1e6:.1f} MB, part of this package'
    record = read_record(path)
    if record is None:
        return 'without record'
    if record.size != path.stat().st_size:
        return 'damaged'
    return f'{record.size / 1e9:.2f} GB, since {record.date[:10]}'


def _get(entry: WeightsEntry, accepted: bool) -> int:
    from gemdepth_ros.hub import download

    print(entry.notice)
    if entry.bundled:
        print(f'{entry.name}: {download(entry)} (part of this package)')
        return 0
    if not accepted and not _asked(entry):
        print('Not accepted; nothing was downloaded.')
        return 1
    path = download(entry)
    print(f'{entry.name}: {path} (checksum recorded)')
    print(f'Use it with --weights {entry.name}')
    return 0


def _asked(entry: WeightsEntry) -> bool:
    if not sys.stdin.isatty():
        raise WeightsError(
            f'nobody is here to accept the licence of {entry.name}; read it above and add '
            f'--accept-licence'
        )
    return input('Accept these terms? [y/N] ').strip().lower() in ('y', 'yes')


def _add(entry: WeightsEntry, source: Path) -> int:
    from gemdepth_ros.hub import add_file, verify_entry

    print(entry.notice)
    path = add_file(entry, source.expanduser())
    print(f'{entry.name}: {path}')
    print(f'SHA-256 {verify_entry(entry).sha256} (of your file: no hub vouches for it)')
    print(f"Check its tensors with 'gemdepth-ros weights check {entry.name}'")
    return 0


def _verify(entry: WeightsEntry) -> int:
    from gemdepth_ros.hub import verify_entry

    record = verify_entry(entry)
    elsewhere = 'part of this package' if entry.bundled else 'placed by hand'
    origin = f'{record.repo} at {record.revision}' if record.repo else elsewhere
    print(f'{entry.name}: intact, {record.size} bytes, SHA-256 {record.sha256}')
    print(f'recorded {record.date}, {origin}; licence: {record.licence}')
    return 0


def _path(entry: WeightsEntry) -> int:
    from gemdepth_ros.hub import missing_weights, weights_path

    path = weights_path(entry)
    if not path.is_file():
        raise missing_weights(entry)
    print(path)
    return 0


def _check(name_or_path: str, preset: str | None) -> int:
    from gemdepth_ros.hub import CATALOGUE, locate
    from gemdepth_ros.model import model_config
    from gemdepth_ros.model.checkpoint import check_state, load_state, preset_of

    entry = CATALOGUE.get(name_or_path)
    path = locate(name_or_path)
    state = load_state(path)
    preset = preset or (entry.preset if entry else preset_of(state) or 'vitl')
    layout = check_state(state, model_config(preset))
    used = [state[name] for name in layout.used]
    parameters = sum(tensor.numel() for tensor in used)
    print(f'{path} fits network {preset}: {len(state)} tensors, names and shapes all known')
    print(f'{len(used)} are used ({parameters / 1e6:.2f} M parameters, all finite)')
    return 0


def _convert(name_or_path: str, target: Path, preset: str | None) -> int:
    from gemdepth_ros.hub import CATALOGUE, locate
    from gemdepth_ros.model.conversion import convert_weights

    entry = CATALOGUE.get(name_or_path)
    if entry:
        print(entry.notice)
        preset = preset or entry.preset
    preset = convert_weights(locate(name_or_path), target, preset)
    print(f'{target}: {target.stat().st_size / 1e9:.2f} GB for network {preset}')
    print(f'Use it with --weights {target} --preset {preset}')
    return 0
