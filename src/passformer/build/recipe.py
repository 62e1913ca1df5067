"""How an object was made: a pass list for its module and others for single functions; and the lock file of a build."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList

_HEAD = "# Made by `passformer size-report --lock`: the pass lists of each object that they make smaller.\n"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Pass lists for one object."""

    module: PassList = OZ
    """Run on the whole module."""
    functions: Mapping[str, PassList] = field(default_factory=dict)
    """Then on single functions, by name."""

    @property
    def is_plain(self) -> bool:
        """Whether this is what clang does anyway."""
        return self.module == OZ and not self.functions

    def to_json(self) -> str:
        """`{"module": ..., "functions": {...}}`; `from_json` reads it."""
        return json.dumps({"module": str(self.module), "functions": {k: str(v) for k, v in self.functions.items()}})

    @classmethod
    def of(cls, data: Mapping[str, object]) -> "Recipe":
        """From the JSON object, or an object's table in a lock file."""
        functions = data.get("functions", {})
        if not isinstance(functions, dict):
            raise InputError("functions is no table")
        named = {str(name): PassList.parse(str(text)) for name, text in functions.items()}
        return cls(PassList.parse(str(data["module"])), named)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """What `to_json` wrote."""
        return cls.of(json.loads(text))


def write_lock(recipes: Mapping[str, Recipe], llvm: int, path: Path) -> None:
    """A lock file: object (relative to the file's folder) -> recipe."""
    lines = [_HEAD, f"llvm = {llvm}\n"]
    for output, recipe in sorted(recipes.items()):
        lines.append(f'\n[objects.{_quoted(output)}]\nmodule = "{recipe.module}"\n')
        lines += [f'functions.{_quoted(name)} = "{p}"\n' for name, p in sorted(recipe.functions.items())]
    path.write_text("".join(lines))


def read_lock(path: Path, llvm: int) -> dict[str, Recipe]:
    """The recipes of a lock file, by the objects' absolute paths.

    Raises InputError where it is damaged or of another LLVM version.
    """
    try:
        data = tomllib.loads(path.read_text())
        found = {str(path.parent / name): Recipe.of(table) for name, table in data.get("objects", {}).items()}
        made_by = data["llvm"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no lock file: {error!r}") from None
    if made_by != llvm:
        raise InputError(f"{path} was made with LLVM {made_by}, and this is LLVM {llvm}: make it again")
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
