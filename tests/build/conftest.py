"""A server of the test's own, in a folder of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Wrapper = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("wrapper")
    places = {name: str(folder) for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")}
    values = {**os.environ, **places, "PASSFORMER_CACHE": "0", "PASSFORMER_BUDGET": "4"}
    yield values
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGTERM)


@pytest.fixture
def cc(environment: dict[str, str], tmp_path: Path) -> Wrapper:
    """The wrapper with some arguments, in the test's folder."""

    def run(*arguments: object, cxx: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
        script = f"import sys; from passformer.build.wrapper import main; main(sys.argv[1:], {cxx})"
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True)

    return run
