"""Fixtures that several test modules share: the real LLVM of this installation, and others where they are named."""

import os
from collections.abc import Iterator

import pytest

from passformer.llvm.locate import Toolchain, find_toolchain
from passformer.llvm.sandbox import Pool, Sandbox
from reference import PROGRAMS as PROGRAMS  # other test modules take it from here

OTHER_LLVMS = [folder for folder in os.environ.get("PASSFORMER_TEST_LLVM_DIRS", "").split(":") if folder]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def major() -> int:
    return find_toolchain().major


@pytest.fixture(params=["the usual", *OTHER_LLVMS])
def any_llvm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toolchain]:
    """The usual LLVM, then each prefix in PASSFORMER_TEST_LLVM_DIRS; use a sandbox of your own with it."""
    if request.param != "the usual":
        monkeypatch.setenv("PASSFORMER_LLVM", request.param)
    find_toolchain.cache_clear()
    yield find_toolchain()
    find_toolchain.cache_clear()


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """To set PASSFORMER_LLVM or PATH with; what was found before does not count, nor later what is found now."""
    find_toolchain.cache_clear()
    yield monkeypatch
    find_toolchain.cache_clear()
