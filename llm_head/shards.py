"""The LLM's layers cut over several processes, where one GPU is too small to train all of it.

PyTorch's FSDP2: a process keeps its part of every layer, with the gradients and the optimizer's
state of that part; a layer is put together when it runs. What is not in a layer (projector, word
embeddings, last norm) lies whole in each process, and its gradients are averaged.

accelerate's own FSDP is not used: it exists on GPUs only, and expects that a model is called as a
whole, where the head also embeds words and reads the text before the video by themselves.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers.modeling_layers import GradientCheckpointingLayer

from llm_head import processes
from llm_head.model import LmmVqa


def cut(model: LmmVqa, device: str) -> None:
    """Move a model to a device, its LLM's layers in parts; the model is changed in place.

    Args:
        model: on the CPU; layers go to the device one by one.
        device: cpu or cuda.

    Raises:
        ProcessesError: if there is only one process, or the LLM has no layers that can be cut.
    """
    if processes.count() == 1:
        raise processes.ProcessesError(
            "run.shard_llm: there is one process; start several, see docs/tuning.md, or set it to "
            "false"
        )
    layers = [m for m in model.llm.modules() if isinstance(m, GradientCheckpointingLayer)]
    if not layers:
        raise processes.ProcessesError(f"run.shard_llm: {type(model.llm)} has no layers to cut")
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    mesh = init_device_mesh(device, (processes.count(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    _move_rest(model, {module for layer in layers for module in layer.modules()}, device)
    model.reads_whole = True
    # accelerate would wrap it for gradients to be averaged
    object.__setattr__(model, "_is_accelerate_prepared", True)


def is_part(parameter: Tensor) -> bool:
    """Return whether other processes hold the rest of a parameter."""
    return isinstance(parameter, DTensor)


def part(parameter: Tensor) -> Tensor:
    """Return what this process holds of a parameter; writing to it writes to the parameter."""
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter


@torch.no_grad()
def average(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients of what lies whole in each process; those of parts are averaged."""
    for parameter in parameters:
        if parameter.requires_grad and not is_part(parameter):
            if parameter.grad is None:  # this process's videos did not need it
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= processes.count()


def gather(model: LmmVqa) -> None:
    """Put the trained layers' parameters together, on the first process's CPU, to be saved.

    All processes must call it, and the model is not to be run again.
    """
    for module in model.llm.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if isinstance(parameter, DTensor) and parameter.requires_grad:
                value = parameter.full_tensor().detach()
                if processes.is_first():
                    setattr(module, name, nn.Parameter(value.cpu()))


@torch.no_grad()
def _move_rest(model: nn.Module, cut: set[nn.Module], device: str) -> None:
    # Module.to would go through the parts, too
    for module in model.modules():
        if module not in cut:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(device)
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, buffer.to(device))
