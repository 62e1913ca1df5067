"""Configuration of a training run: a TOML file, as in `configs/`, checked once, saved resolved beside the run."""

import json
import math
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from passformer.dataset.prompt import Form
from passformer.llvm.errors import InputError


class Section(BaseModel):
    """Unknown keys are errors: a misspelt setting must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ModelSection(Section):
    """The model's shape; the vocabulary comes from the tokenizer."""

    dim: int = 256
    """Width."""
    num_layers: int = 6
    num_heads: int = 4
    num_kv_heads: int = 4
    """Fewer than heads: grouped-query attention."""
    hidden_dim: int = 704
    """Of the feed-forward part; Llama's is 8/3 of the width."""
    context: int = 2048
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5
    tie_embeddings: bool = True


class DataSection(Section):
    """What the model is shown."""

    unoptimised_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of samples whose prompt shows unoptimised code alone; the others show what -Oz makes of it. One model that
    knows two forms can answer with no additional compilation, and better where -Oz runs anyway."""
    unoptimised_form: Form = Form.PAPER
    """Of their prompts."""
    form: Form = Form.BOTH
    """Of the others' prompts."""
    max_prompt: int = 1024
    """Tokens; longer prompts are cut at their end."""
    curriculum: tuple[tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=8)]], ...] = ()
    """(epochs, tokens) of what comes first: prompts that are cut shorter, and no IR in the answers. A step holds so
    many more functions, and most of what there is to learn needs no more of each. Validation shows whole prompts all
    the time, which says little before the model has been shown some."""
    max_ir: int = 512
    """Tokens of optimised IR in an answer."""
    ir_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of samples whose answer goes on with the optimised IR (those that show the label)."""
    ir_weight: Annotated[float, Field(ge=0)] = 1.0
    """Loss weight of its tokens; 0 is the paper's ablation, no generation of optimised code."""
    pack_tokens: int = 2048
    """Length that samples are packed to."""
    sharpness: Annotated[float, Field(gt=0)] = math.inf
    """How strictly samples show a function's best list (see `draw_answers`); infinite: always."""
    answers: Annotated[int, Field(ge=1)] = 1
    """Lists drawn for each sample; they share its prompt, so that more of them cost little. The first alone goes on."""
    count_weight: Annotated[float, Field(ge=0)] = 1.0
    """Loss weight of the tokens between list and IR: mostly the counts."""
    negatives: Annotated[float, Field(ge=0)] = 1.0
    """Functions whose best is -Oz, per function with a better list, drawn anew each epoch."""
    gain_power: Annotated[float, Field(ge=0)] = 0.0
    """Samples count as (1 + instructions saved) to this power in the loss."""
    blotted: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a prompt's tokens that are blotted out, others each time: functions are then not learnt by heart."""
    list_tokens: Annotated[int, Field(ge=0)] = 0
    """So many of the lists that are best most often are one token each (the paper's section VI-C)."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training functions that is used at all (the paper's ablation, section V-A)."""

    @model_validator(mode="after")
    def _forms_are_what_they_are_for(self) -> "DataSection":
        if self.unoptimised_form.shows_oz or not self.form.shows_oz:
            raise ValueError("unoptimised_form is `paper` or `bare`, and form another one")
        return self

    @model_validator(mode="after")
    def _answers_fit(self) -> "DataSection":
        """A pack that a prompt fills would hold nothing to learn."""
        if self.max_prompt >= self.pack_tokens:
            raise ValueError("max_prompt leaves no room for an answer in pack_tokens")
        return self

    @property
    def forms(self) -> list[tuple[Form, float]]:
        """The forms of prompts with their shares, none of them 0; last the one that shows more."""
        shares = [(self.unoptimised_form, self.unoptimised_share), (self.form, 1 - self.unoptimised_share)]
        return [(form, share) for form, share in shares if share > 0]


class OptimSection(Section):
    """AdamW and its schedule."""

    steps: int = 1000
    packs_per_step: int = 8
    """Packs, over all processes, whose gradients are summed for one step."""
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    final_share: float = 0.1
    """Of the learning rate, at the end of the cosine."""
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    clip_norm: float = 1.0


class RunSection(Section):
    """Everything else."""

    seed: int = 0
    init: str = ""
    """A finished run, as a path, whose weights this one begins with; empty for fresh ones."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the arithmetic; `auto` is bfloat16 where the processor has it."""
    packs_at_once: Annotated[int, Field(ge=1)] = 1
    """Packs that go through the model together: on a GPU, as many as its memory holds."""
    data_workers: Annotated[int, Field(ge=0)] = 0
    """Processes that make packs beside each training process; a fast GPU waits for one. Other numbers show samples in
    another order."""
    log_every: int = 10
    checkpoint_every: int = 200
    keep_checkpoints: int = 2
    validate_every: int = 500
    validate_functions: int = 400
    """How many functions of validation the model answers for."""
    validate_lists: Annotated[int, Field(ge=1)] = 1
    """How many lists it names for each, beside -Oz, to be verified."""
    generate_functions: int = 50
    """How many of these it writes the optimised IR for."""


class LoopConfig(Section):
    """What the training loop needs to know, whatever is learnt."""

    name: str
    model: ModelSection = ModelSection()
    optim: OptimSection = OptimSection()
    run: RunSection = RunSection()


class TrainConfig(LoopConfig):
    """A whole run of the model that names pass lists."""

    data: DataSection = DataSection()


C = TypeVar("C", bound=LoopConfig)


def read_config(path: Path, kind: type[C]) -> C:
    """Of a TOML file, or of the JSON that a run keeps; raises InputError naming the field that is wrong."""
    kind_of_file, load = ("JSON", json.loads) if path.suffix == ".json" else ("TOML", tomllib.loads)
    try:
        return kind.model_validate(load(path.read_text()))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {place}: {first['msg']}") from None
    except ValueError as error:  # of TOML, JSON and UTF-8
        raise InputError(f"{path} is no {kind_of_file} file: {error}") from None
