"""Checkpoints: model, optimiser and position, sharded as the run is; a folder with a name is a whole one."""

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

from passformer.llvm.errors import InputError
from passformer.model.llama import Llama
from passformer.train.distributed import World


def save_checkpoint(
    folder: Path,
    step: int,
    model: Llama,
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
    world: World,
    keep: int,
) -> None:
    """Write `folder/step-N`; older ones but the last `keep` go. Raises InputError where there is no room."""
    target = folder / f"step-{step:08}"
    unfinished = folder / f".step-{step:08}"
    weights, moments = get_state_dict(model, optimizer)
    if world.is_first:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, exist_ok=True)
    _wait(world)
    try:
        with _alone_is_fine():
            dcp_save({"model": weights, "optimizer": moments}, checkpoint_id=unfinished, no_dist=world.size == 1)
        if world.is_first:
            (unfinished / "facts.json").write_text(json.dumps({"step": step, **facts}))
    except (Exception, CheckpointException) as error:  # it wraps what the file system says
        shutil.rmtree(unfinished, ignore_errors=True)
        last = checkpoints(folder)
        kept = f"; {last[-1].name} is whole" if last else ""
        raise InputError(
            f"{folder}: the checkpoint of step {step} cannot be written ({_first_line(error)}){kept}"
        ) from None
    _wait(world)
    if world.is_first:
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        for old in checkpoints(folder)[:-keep]:
            shutil.rmtree(old)
    _wait(world)


def load_checkpoint(
    folder: Path, model: Llama, optimizer: torch.optim.Optimizer, world: World
) -> dict[str, Any] | None:
    """Restore the last whole checkpoint in place; returns its facts, None where there is none."""
    found = checkpoints(folder)
    if not found:
        return None
    weights, moments = get_state_dict(model, optimizer)
    state: dict[str, Any] = {"model": weights, "optimizer": moments}
    try:
        with _alone_is_fine():
            dcp_load(state, checkpoint_id=found[-1], no_dist=world.size == 1)
        facts: dict[str, Any] = json.loads((found[-1] / "facts.json").read_text())
    except (Exception, CheckpointException) as error:
        raise InputError(
            f"{found[-1]} is damaged or of another model ({_first_line(error)}): remove it to go on from the one before"
        ) from None
    set_state_dict(
        model,
        optimizer,
        model_state_dict=state["model"],
        optim_state_dict=state["optimizer"],
    )
    return facts


def checkpoints(folder: Path) -> list[Path]:
    """The whole ones, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / "facts.json").exists())


@contextlib.contextmanager
def _alone_is_fine() -> Iterator[None]:
    """Without torch's warning that a single process saves by itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _wait(world: World) -> None:
    if world.size > 1:
        dist.barrier()


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    known = next((line for line in lines if "No space" in line or "Errno" in line), lines[0])
    return known.strip()[:150]
