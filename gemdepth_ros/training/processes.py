"""One process or several (torchrun): who am I, and what do we share."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """Place of this process among those of the run.

    Attributes:
        rank: number of this process; 0 writes files.
        count: processes of the run.
        local_rank: number among those of this machine, which is that of its GPU.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0


def join(device_type: str) -> Processes:
    """Join the run that torchrun started, if it did."""
    if 'WORLD_SIZE' not in os.environ:
        return Processes()
    distributed.init_process_group('nccl' if device_type == 'cuda' else 'gloo')
    return Processes(
        distributed.get_rank(),
        distributed.get_world_size(),
        int(os.environ.get('LOCAL_RANK', '0')),
    )


def leave() -> None:
    """End the group, if there is one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def shared(network: nn.Module, processes: Processes) -> nn.Module:
    """Wrap the network so that gradients are averaged over the processes."""
    if processes.count == 1:
        return network
    return DistributedDataParallel(network, gradient_as_bucket_view=True)


def anyone(flag: bool, processes: Processes, device: torch.device) -> bool:
    """Whether the flag is set in any process; all of them must ask."""
    if processes.count == 1:
        return flag
    value = torch.tensor(float(flag), device=device)
    distributed.all_reduce(value, op=distributed.ReduceOp.MAX)
    return bool(value.item())
