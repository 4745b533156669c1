#!/usr/bin/env python3
"""The mean of the weights of runs that began from one another, tensor by tensor.

    scripts/mean_of_weights.py A.safetensors B.safetensors [...] -o MEAN.safetensors

Runs of one origin lie in one valley of the loss, so their mean is a network as well: it keeps much
of what fine-tuning taught and forgets less of what was known before (Wortsman et al.,
arXiv 2109.01903 and 2203.05482).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model.weights_file import save_weights


def main() -> int:
    """Read, average in float32, and write in the type of the first file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE', help='.safetensors')
    parser.add_argument('-o', '--output', type=Path, required=True, help='.safetensors')
    args = parser.parse_args()
    parts = [load_file(file) for file in args.files]
    shapes = {name: tensor.shape for name, tensor in parts[0].items()}
    for file, part in zip(args.files, parts, strict=True):
        if {name: tensor.shape for name, tensor in part.items()} != shapes:
            parser.error(f'{file} is of another network than {args.files[0]}')
    mean = {
        name: torch.stack([part[name].float() for part in parts]).mean(0).to(first.dtype)
        for name, first in parts[0].items()
    }
    with safe_open(args.files[0], 'pt') as file:
        metadata = file.metadata()
    try:
        save_weights(mean, args.output, metadata)
    except WeightsError as error:
        parser.exit(1, f'{parser.prog}: error: {error}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
