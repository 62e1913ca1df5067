"""The tree is the pipeline: who may import whom, what loads early, and that what is promised exists."""

import ast
import re
from pathlib import Path

import pytest

import passformer

ROOT = Path(__file__).parents[1]
PACKAGE = Path(passformer.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# fmt: off
ORDER = (
    "llvm", "document", "corpus", "autotune", "verify", "dataset", "model", "methods", "train", "translate",
    "baselines", "optimize", "user_check", "build", "evaluate", "bench", "doctor", "tables", "cli", "__main__",
)
# fmt: on
"""Each room imports what stands before it only (DESIGN, section 3). A new room takes its place here."""
NEVER = {
    "model": {"llvm", "corpus", "autotune", "verify"},
    "optimize": {"train", "baselines"},
    "build": {"train", "baselines"},
    "doctor": {"tables"},
}
"""Beyond the order: who must not know whom although it comes earlier."""
STANDARD_COMMANDS = {"doctor", "passes", "apply", "optimize", "bench"}


def room(path: Path) -> str:
    """The stage that a module belongs to: its folder's name, or its own."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(nodes) -> set[str]:
    """Full names of imported modules among the nodes."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(path: Path) -> set[str]:
    names = imports(ast.walk(ast.parse(path.read_text())))
    ours = {name.split(".")[1] for name in names if name.startswith("passformer.")}
    return ours - {"__version__", room(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_go_right_only(path):
    if path == PACKAGE / "__init__.py":
        assert not imports(ast.walk(ast.parse(path.read_text())))
        return
    assert room(path) in ORDER, "a new room: give it its place in ORDER"
    allowed = set(ORDER[: ORDER.index(room(path))]) - NEVER.get(room(path), set())
    assert rooms_imported(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_opens_with_a_docstring(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring and docstring.strip().endswith((".", ":", "`"))


def test_no_room_has_a_name_that_says_nothing():
    assert not {room(path) for path in MODULES} & {"utils", "helpers", "common", "manager", "factory"}


def test_the_command_line_imports_heavy_things_inside_functions_only():
    early = imports(ast.parse((PACKAGE / "cli.py").read_text()).body)
    ours = {name.rpartition(".")[0] for name in early if name.startswith("passformer.")}
    assert ours <= {"passformer", "passformer.llvm.errors"}
    heavy = ("torch", "numpy", "pyarrow", "onnxruntime", "tokenizers", "rich", "pydantic", "ctypes")
    assert not [name for name in early if name.startswith(heavy)]


def test_llvm_is_loaded_by_the_worker_side_only():
    """A module that the parent imports must not import the bindings: LLVM may end the process that loads it."""
    may = {"api", "module", "objects", "measure", "worker"}
    for path in MODULES:
        if room(path) == "llvm" and path.stem not in may:
            assert "passformer.llvm.api.load" not in imports(ast.parse(path.read_text()).body), path


def targets() -> dict[str, str]:
    lines = (ROOT / "Makefile").read_text().splitlines()
    return dict(re.match(r"([a-z]+):(.*)", line).groups() for line in lines if re.match(r"[a-z]+:", line))


def test_makefile_lists_every_task():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert set(phony) == set(targets()) >= {"help", "demo", "test", "check"}
    assert all(" ## " in rest for rest in targets().values()), "`make help` shows what has a description"


def test_commands_in_the_readme_exist():
    import typer

    from passformer.cli import app

    readme = (ROOT / "README.md").read_text()
    snippets = re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", readme, re.DOTALL)
    code = "\n".join(block or inline for block, inline in snippets)
    assert set(re.findall(r"^\s*(?:\$ )?make ([a-z]\w*)", code, re.MULTILINE)) <= set(targets())
    commands = set(typer.main.get_command(app).commands)
    assert commands >= STANDARD_COMMANDS
    assert set(re.findall(r"^\s*(?:\$ )?passformer ([a-z][\w-]*)", code, re.MULTILINE)) <= commands


def test_the_demo_uses_files_that_exist():
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    files = re.findall(r"\$\(DEMO\)/(\S+)", recipe)
    assert files and all((PACKAGE / "bench" / "programs" / file).is_file() for file in files)
