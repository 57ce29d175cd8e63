"""Several processes that train one network together, as `torchrun` starts them: sums over them, and who is first.

Gradients are summed after the backward pass in one piece (a network of ours has a few megabytes), so that the result
is that of one process which computes the batch in as many parts (`accumulate`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from perception.training.batches import Share


@contextmanager
def processes(device: torch.device) -> Iterator[Share]:
    """The group of processes, as the environment describes it; a process that is alone has everything."""
    num_ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if num_ranks == 1:
        yield Share()
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend)
    try:
        yield Share(torch.distributed.get_rank(), num_ranks)
    finally:
        torch.distributed.destroy_process_group()


def sum_over(tensors: list[Tensor], share: Share) -> None:
    """Replace tensors of one type by their sums over all processes."""
    if share.num_ranks == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
        tensor.copy_(part.view_as(tensor))


def average_statistics(network: nn.Module, share: Share) -> None:
    """Give all processes the mean of their running statistics."""
    statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if share.num_ranks > 1:
        sum_over(statistics, share)
        torch._foreach_div_(statistics, share.num_ranks)


def is_wanted_by_any(wish: bool, device: torch.device, share: Share) -> bool:
    """Whether any process has the wish, the same answer for all."""
    if share.num_ranks == 1:
        return wish
    votes = torch.tensor([float(wish)], device=device)
    sum_over([votes], share)
    return bool(votes.item() > 0)
