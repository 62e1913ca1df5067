"""What users run: the exported model answers as the trained one does, and a damaged folder is named."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from passformer.corpus.store import Corpus
from passformer.dataset.tokenizer import load_tokenizer
from passformer.dataset.tokens import read_tokens
from passformer.llvm.errors import InputError
from passformer.model.decoding import best_first
from passformer.model.export import BLOCK, export_onnx, quantize
from passformer.model.llama import Llama, LlamaConfig
from passformer.model.package import DamagedPackage, open_package, read_facts
from passformer.model.runtime import OnnxModel
from passformer.model.torch_model import TorchModel
from passformer.train.export import export


def test_quantising_keeps_a_hundredth():
    weight = np.random.default_rng(0).standard_normal((7, 3 * BLOCK)).astype(np.float32)
    levels, scales = quantize(weight)
    again = ((levels.astype(np.float32) - 128) * scales[:, :, None]).reshape(weight.shape)
    assert np.abs(again - weight).max() <= scales.max() / 2 + 1e-7
    assert levels.shape == (7, 3, BLOCK) and scales.shape == (7, 3)
    with pytest.raises(ValueError, match="multiple of 32"):
        quantize(weight[:, :40])


@pytest.mark.parametrize("num_kv_heads", [4, 2])
def test_the_exported_model_gives_nearly_the_same_logits(num_kv_heads, tmp_path):
    torch.manual_seed(3)
    model = Llama(LlamaConfig(300, 128, 3, 4, num_kv_heads, 192, 128)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3) if parameter.dim() > 1 else parameter.add_(0.1 * torch.randn_like(parameter))
    export_onnx(model, tmp_path / "m.onnx")
    ours, theirs = OnnxModel(tmp_path / "m.onnx"), TorchModel(model)
    tokens = np.random.default_rng(1).integers(0, 300, 60).tolist()
    (a, state), (b, other) = ours.start(tokens), theirs.start(tokens)
    assert np.corrcoef(a, b)[0, 1] > 0.99
    for more in ([5], [6, 7, 8], [9]):
        (a, after), (b, other) = ours.follow(state, more), theirs.follow(other, more)
        assert np.corrcoef(a, b)[0, 1] > 0.99
        again, _ = ours.follow(state, more)
        assert (again == a).all(), "following must not change the state"
        state = after


def test_a_run_becomes_a_package_that_proposes_legal_lists(package, run, dataset):
    opened = open_package(package)
    row = next(read_tokens(dataset, "test"))
    prompt = opened.writer.prompt(opened.facts.forms[-1], row).tolist()
    found = best_first(opened.model, prompt, opened.grammar, 5)
    assert len({h.names for h in found}) == 5
    assert opened.facts.recipe["step"] == 2 and opened.facts.llvm == 22 and len(opened.facts.forms) == 2
    assert load_tokenizer(run / "tokenizer.json").to_str() == opened.tokenizer.to_str()


def test_a_run_that_is_not_finished_cannot_be_exported(run, labelled, tmp_path):
    with pytest.raises(InputError, match="no finished training run"):
        export(tmp_path, tmp_path / "out", Corpus(labelled))
    shutil.copytree(run, tmp_path / "cut")
    (tmp_path / "cut" / "model" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no finished training run"):
        export(tmp_path / "cut", tmp_path / "out", Corpus(labelled))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "retrieval.npz"])
def test_a_damaged_package_is_named(name, package, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(package, copy)
    (copy / name).write_bytes((copy / name).read_bytes()[:-10])
    with pytest.raises(DamagedPackage, match=f"{name} is damaged"):
        open_package(copy)
    (copy / name).unlink()
    with pytest.raises(DamagedPackage, match=f"has no {name}"):
        open_package(copy)


def test_facts_that_cannot_be_read(package, tmp_path):
    with pytest.raises(DamagedPackage, match="holds no model"):
        read_facts(tmp_path)
    data = json.loads((package / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**data, "format": 99}))
    with pytest.raises(DamagedPackage, match="of format 99"):
        read_facts(tmp_path)
    del data["llvm"]
    (tmp_path / "model.json").write_text(json.dumps(data))
    with pytest.raises(DamagedPackage, match="holds no model"):
        read_facts(tmp_path)


def test_the_runtime_imports_no_torch(package):
    script = (
        "import sys; from pathlib import Path; from passformer.model.package import open_package; "
        f"open_package(Path({str(package)!r})); print([m for m in sys.modules if m.split('.')[0] in ('torch', 'onnx')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
