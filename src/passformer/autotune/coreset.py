"""Coresets: a few pass lists, in order, that together reach most of the gain, and the file that ships them.

The file is TOML: which LLVM, protocol and objective the lists were chosen for, how, and per list its share of the gain
that is reached with it and all lists before it.
"""

import json
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList
from passformer.llvm.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Coreset:
    """Pass lists in the order in which they are to be tried."""

    llvm: int
    """LLVM major version."""
    protocol: Protocol
    objective: str
    made_by: str
    """The command, data and seed that chose the lists."""
    pass_lists: tuple[PassList, ...]
    improvements: tuple[float, ...]
    """Improvement in percent over -Oz, on the functions they were chosen on, of each list with all before it."""

    def to_toml(self) -> str:
        """The file format; `from_toml` reads it back to an equal value."""
        head = (
            f"llvm = {self.llvm}\nprotocol = {_quoted(str(self.protocol))}\n"
            f"objective = {_quoted(self.objective)}\nmade_by = {_quoted(self.made_by)}\n"
        )
        rows = (
            f'\n[[lists]]\npass_list = "{pass_list}"\nimprovement = {improvement}\n'
            for pass_list, improvement in zip(self.pass_lists, self.improvements, strict=True)
        )
        return head + "".join(rows)

    @classmethod
    def from_toml(cls, text: str, name: str = "coreset") -> "Coreset":
        """Read the file format; raises InputError naming the file where it is damaged."""
        try:
            data = tomllib.loads(text)
            return cls(
                data["llvm"],
                Protocol(data["protocol"]),
                data["objective"],
                data["made_by"],
                tuple(PassList.parse(row["pass_list"]) for row in data["lists"]),
                tuple(float(row["improvement"]) for row in data["lists"]),
            )
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError, InputError) as error:
            raise InputError(f"{name} is no coreset file: {error!r}") from None


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's, but for DEL, which TOML wants escaped, and characters, which it wants whole."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def load_coreset(path: Path) -> Coreset:
    """The coreset in a file."""
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no coreset file: not UTF-8 text") from None
    return Coreset.from_toml(text, str(path))


def shipped_coreset(objective: str) -> Coreset:
    """The coreset that comes with passformer for an objective (the one for `instructions` where there is no other)."""
    folder = resources.files("passformer.autotune").joinpath("coresets")
    file = folder.joinpath(f"{objective}.toml")
    if not file.is_file():
        file = folder.joinpath("instructions.toml")
    return Coreset.from_toml(file.read_text(), file.name)
