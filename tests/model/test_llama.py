"""The decoder: cache, packed documents, size; weights in the layout of Hugging Face, and equal logits there."""

import json

import pytest
import torch
import transformers

from passformer.model.hf import DamagedModel, load_hf, save_hf
from passformer.model.llama import Llama, LlamaConfig
from passformer.model.packed import attend_packed, block_mask, packing_of, places_of

CONFIGS = {
    "plain": LlamaConfig(97, 48, 2, 4, 4, 80, 64),
    "grouped": LlamaConfig(97, 48, 3, 6, 2, 80, 64, rope_base=50_000.0),
    "untied": LlamaConfig(97, 32, 1, 2, 1, 64, 64, norm_eps=1e-6, tie_embeddings=False),
}


@pytest.fixture(params=CONFIGS)
def model(request) -> Llama:
    torch.manual_seed(1)
    model = Llama(CONFIGS[request.param]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))  # norms must not all be one
    return model


def tokens_of(*shape: int):
    return torch.randint(0, 97, shape, generator=torch.Generator().manual_seed(2))


def test_the_configuration_counts_its_parameters(model):
    assert sum(p.numel() for p in model.parameters()) == model.config.num_parameters


def test_heads_must_divide():
    with pytest.raises(ValueError, match="do not divide"):
        LlamaConfig(97, 48, 2, 5, 5, 80, 64)
    with pytest.raises(ValueError, match="do not divide"):
        LlamaConfig(97, 48, 2, 4, 3, 80, 64)


@torch.no_grad()
def test_with_a_cache_the_same_logits_come_out_piece_by_piece(model):
    tokens = tokens_of(2, 23)
    whole, _ = model(tokens)
    first, cache = model(tokens[:, :9])
    second, cache = model(tokens[:, 9:10], cache)
    third, cache = model(tokens[:, 10:], cache)
    torch.testing.assert_close(torch.cat([first, second, third], 1), whole, atol=1e-5, rtol=1e-5)
    assert cache[0][0].shape == (2, model.config.num_kv_heads, 23, model.config.head_dim)


@torch.no_grad()
def test_a_token_does_not_see_the_future(model):
    tokens = tokens_of(1, 12)
    changed = tokens.clone()
    changed[0, 8] = (changed[0, 8] + 1) % 97
    before, after = model(tokens)[0], model(changed)[0]
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8:], after[:, 8:])


@torch.no_grad()
def test_packed_documents_do_not_see_each_other(model):
    tokens = tokens_of(1, 30)
    packed, _ = model(tokens, documents=[(11,), (1,), (18,)])
    apart = torch.cat([model(part)[0] for part in tokens.split([11, 1, 18], dim=1)], 1)
    torch.testing.assert_close(packed, apart, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_branches_go_on_from_their_trunk_alone(model):
    tokens = tokens_of(1, 30)
    packed, _ = model(tokens, documents=[(7, 3, 1, 4), (9, 6)])
    first, second = tokens.split([15, 15], dim=1)
    trunk, *branches = first.split([7, 3, 1, 4], dim=1)
    expected = [model(trunk)[0], *(model(torch.cat([trunk, b], 1))[0][:, 7:] for b in branches), model(second)[0]]
    torch.testing.assert_close(packed, torch.cat(expected, 1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_several_packs_at_once(model):
    tokens, documents = tokens_of(3, 16), [(7, 3, 6), (16,), (4, 5), (1,), (6,)]
    together, _ = model(tokens, documents=documents)
    parts = (documents[:1], documents[1:2], documents[2:])
    rows = [model(row, documents=part)[0] for row, part in zip(tokens.split(1), parts, strict=True)]
    torch.testing.assert_close(together, torch.cat(rows), atol=1e-5, rtol=1e-5)
    at = torch.tensor([3, 20, 47])
    torch.testing.assert_close(model(tokens, documents=documents, at=at)[0], together.flatten(0, 1)[at])


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")  # that needs a compiler
@torch.no_grad()
def test_the_kernel_for_gpus_sees_what_spans_see():
    documents = [(70, 30, 1, 40), (100,), (15,), (60, 20, 20), (156,)]
    places = places_of(documents)
    q, k, v = (torch.randn(2, 4, 256, 16, generator=torch.Generator().manual_seed(i)) for i in range(3))
    mask = block_mask(*(torch.from_numpy(p).view(2, 256) for p in places[:2]))
    flat = [x.transpose(0, 1).reshape(1, 4, 512, 16) for x in (q, k, v)]
    spans = attend_packed(*flat, packing_of(documents, places, 2, torch.device("cpu")))
    kernel = attend_packed(q, k, v, mask).transpose(0, 1).reshape(1, 4, 512, 16)
    torch.testing.assert_close(kernel, spans, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_logits_of_chosen_positions(model):
    tokens = tokens_of(1, 10)
    torch.testing.assert_close(model(tokens, at=torch.tensor([3, 9]))[0], model(tokens)[0][0, [3, 9]])


@torch.no_grad()
def test_weights_round_trip(model, tmp_path):
    save_hf(model, tmp_path)
    again = load_hf(tmp_path)
    assert again.config == model.config
    torch.testing.assert_close(again(tokens_of(1, 9))[0], model(tokens_of(1, 9))[0])


@torch.no_grad()
def test_transformers_computes_the_same_logits(model, tmp_path):
    save_hf(model, tmp_path)
    theirs = transformers.LlamaForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    tokens = tokens_of(2, 17)
    torch.testing.assert_close(theirs(tokens).logits, model(tokens)[0], atol=2e-5, rtol=1e-4)
    theirs.save_pretrained(tmp_path / "theirs")
    torch.testing.assert_close(load_hf(tmp_path / "theirs")(tokens)[0], model(tokens)[0])


def test_damaged_weights_are_named(tmp_path):
    save_hf(Llama(CONFIGS["plain"]), tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(DamagedModel, match="no whole Llama model"):
        load_hf(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(whole)
    described = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**described, "num_hidden_layers": 3}))
    with pytest.raises(DamagedModel, match="do not fit"):
        load_hf(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DamagedModel, match="no whole"):
        load_hf(tmp_path)
