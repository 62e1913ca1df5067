"""A runtime folder: model.onnx, tokenizer.json, retrieval.npz, and model.json, which says what they are."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

import passformer
from passformer.dataset.prompt import Form
from passformer.dataset.sequences import Layout, Writer
from passformer.dataset.tokenizer import load_tokenizer
from passformer.model.decoding import Grammar, LanguageModel
from passformer.model.grammar import grammar_of
from passformer.model.retrieval import Retrieval, read_retrieval
from passformer.model.runtime import OnnxModel

FORMAT = 3
SHIPPED = Path(passformer.__file__).parent / "weights"
"""The model that comes along."""
FILES = ("model.onnx", "tokenizer.json", "retrieval.npz")


class DamagedPackage(Exception):
    """A runtime folder that cannot be used; the message says why and is for people."""


@dataclass(frozen=True, slots=True)
class Facts:
    """model.json."""

    name: str
    llvm: int
    """Major version that the labels were made with."""
    protocol: str
    forms: tuple[Form, ...]
    """Of prompts, that the model knows."""
    max_prompt: int
    """Tokens."""
    max_ir: int
    """Tokens of optimised code that it has seen in one answer, and can write."""
    passes: tuple[str, ...]
    """What may be proposed."""
    metas: tuple[str, ...]
    """Those of them that may stand in a list once."""
    price: float
    """Instructions that a list which nothing verifies must save for each function that it makes larger."""
    digests: dict[str, str]
    """SHA-256 of each file."""
    recipe: dict[str, Any]
    """How it was trained."""


@dataclass(frozen=True, slots=True)
class Package:
    """A model that is ready to be asked."""

    facts: Facts
    model: LanguageModel
    tokenizer: Tokenizer
    writer: Writer
    grammar: Grammar
    retrieval: Mapping[Form, Retrieval]
    """For prompts of each form."""


def write_facts(folder: Path, facts: Facts) -> None:
    """model.json, of files that lie there already; `facts.digests` is filled in."""
    digests = {name: _digest(folder / name) for name in FILES}
    text = json.dumps({"format": FORMAT, **asdict(facts), "digests": digests}, indent=1) + "\n"
    temporary = folder / ".model.json.tmp"
    temporary.write_text(text)
    temporary.rename(folder / "model.json")


def open_package(folder: Path, num_threads: int = 1) -> Package:
    """Raises DamagedPackage where a file is missing, damaged, or of another format or tokenizer."""
    facts = read_facts(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise DamagedPackage(f"{folder} has no {name}: install passformer again, or export the model again")
        if _digest(folder / name) != facts.digests[name]:
            raise DamagedPackage(f"{folder / name} is damaged, or of another model than model.json says")
    try:
        return replace(open_model(folder, facts, num_threads), retrieval=read_retrieval(folder / "retrieval.npz"))
    except Exception as error:  # each library raises its own
        raise DamagedPackage(f"{folder}: {str(error)[:200]}") from None


def open_model(folder: Path, facts: Facts, num_threads: int = 1) -> Package:
    """The model alone, without what it retrieves; whatever its libraries raise where a file is damaged."""
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    grammar = grammar_of(tokenizer, facts.passes, facts.metas)
    model = OnnxModel(folder / "model.onnx", num_threads)
    return Package(facts, model, tokenizer, Writer(tokenizer, Layout(facts.max_prompt, 0)), grammar, {})


def read_facts(folder: Path) -> Facts:
    """Of model.json alone."""
    try:
        data = json.loads((folder / "model.json").read_text())
        found = data.pop("format")
        if found != FORMAT:
            raise DamagedPackage(f"{folder} is of format {found}, and this passformer reads {FORMAT}")
        data["forms"] = tuple(map(Form, data["forms"]))
        data["passes"], data["metas"] = tuple(data["passes"]), tuple(data["metas"])
        return Facts(**data)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedPackage(f"{folder} holds no model ({error})") from None


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
