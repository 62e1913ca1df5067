"""Is our in-process -Oz the real `clang -Oz`? Compare instruction counts on many files.

Usage: python benchmarks/oz_equality.py OUT.json FILE...
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from passformer.bench.provenance import provenance
from passformer.llvm.errors import InputError
from passformer.llvm.frontend import load
from passformer.llvm.locate import find_toolchain
from passformer.llvm.measure import Subject, measurer, read_module
from passformer.llvm.protocol import Protocol, oz_pipeline
from passformer.llvm.sandbox import Failure, Pool, Sandbox


def compare(sandbox: Sandbox, path: Path) -> tuple[int, int] | None:
    """(instructions of clang -Oz, of ours); None where clang rejects the file."""
    toolchain = find_toolchain()
    command = [str(toolchain.clang), "-Oz", "-w", "-emit-llvm", "-c", str(path), "-o", "-"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        return None
    clang = sandbox.call(read_module, (done.stdout, Protocol.CLANG))
    try:
        subject = Subject(load(path, sandbox, ["-w"]).bitcode)
    except InputError:
        return None
    ours = next(sandbox.map(measurer, subject, [oz_pipeline(toolchain.major)]))
    if isinstance(clang, Failure) or isinstance(ours, Failure):
        raise SystemExit(f"{path}: {clang} {ours}")
    return sum(f.num_instructions for f in clang.functions), ours.instructions


def main() -> None:
    out, *names = sys.argv[1:]
    paths = [Path(name) for name in names]
    with Pool() as pool, Sandbox() as sandbox:
        rows = list(zip(paths, pool.map(compare, paths), strict=True))
        version = sandbox.version()["version"]
    compared = [(path, row) for path, row in rows if row]
    different = [f"{path.name}: {row[0]} != {row[1]}" for path, row in compared if row[0] != row[1]]
    summary: dict[str, Any] = {
        "llvm": version,
        "files": len(compared),
        "equal": len(compared) - len(different),
        "different": different,
    }
    summary |= provenance()
    Path(out).write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
