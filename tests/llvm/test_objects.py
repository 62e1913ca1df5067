"""Sizes of an object file, against our own reading of its ELF headers."""

import subprocess

import pytest

from passformer.llvm.locate import find_toolchain
from passformer.llvm.module import LLVMError
from passformer.llvm.objects import ObjectSizes, object_sizes
from reference import ASSETS, PROGRAMS, parse_elf

SOURCES = [*sorted(ASSETS.glob("*.c*")), *sorted(PROGRAMS.glob("*.c"))[:4]]
FLAGS = [["-Oz"], ["-O2", "-ffunction-sections", "-fdata-sections"]]


def compiled(path, *flags: str) -> bytes:
    command = [str(find_toolchain().clang), "--target=x86_64-linux-gnu", "-w", "-c", *flags, str(path), "-o", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("flags", FLAGS, ids=["merged", "apart"])
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sizes_are_those_of_the_section_headers(path, flags):
    data = compiled(path, *flags)
    elf = parse_elf(data)
    sizes = object_sizes(data, set(elf.functions))
    assert sizes == ObjectSizes(elf.code, elf.read_only, elf.others, elf.functions)
    assert sizes.text_bytes == elf.code + elf.read_only
    assert 0 < sum(sizes.functions.values()) <= 2 * sizes.code, "aliases are counted once each"


def test_functions_without_padding_add_up_to_the_code():
    data = compiled(ASSETS / "loops.c", "-Oz", "-ffunction-sections")
    sizes = object_sizes(data, {"checksum", "find", "sort", "transpose", "classify"})
    assert len(sizes.functions) == 5 and sum(sizes.functions.values()) == sizes.code


def test_a_section_that_holds_a_function_is_code():
    data = compiled(ASSETS / "dispatch.c", "-Oz")
    boot = next(size for name, _, size in parse_elf(data).sections if name == "startup")
    assert boot > 0
    assert object_sizes(data, {"boot"}).code - object_sizes(data).code == boot


def test_data_is_not_code_whatever_its_name(tmp_path):
    (tmp_path / "a.c").write_text("int _f[64] = {1}; int f(int i) { return _f[i]++; }")
    data = compiled(tmp_path / "a.c", "-Oz")
    assert object_sizes(data, {"f"}).code == parse_elf(data).code


def test_rubbish_is_an_llvm_error():
    with pytest.raises(LLVMError, match=r"\S"):
        object_sizes(b"no object file")
