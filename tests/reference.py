"""What tests start from and compare with: inputs, counts and sizes found by other means, a look at processes."""

import os
import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
PROGRAMS = Path(str(resources.files("passformer.bench"))) / "programs"

_SHF_ALLOC = 2
_SHF_EXECINSTR = 4
_SHT_SYMTAB, _SHT_RELA = 2, 4
_STT_FUNC = 2


def count_instructions(ir: str) -> dict[str, int]:
    """Function name -> number of instructions, from IR text: one line of a body is one instruction."""
    counts: dict[str, int] = {}
    name, in_brackets = "", False
    for line in ir.splitlines():
        code = line.strip()
        if line.startswith("define "):
            name = re.search(r'@(?:"([^"]*)"|([\w$.]+))\(', line).expand(r"\1\2")
            counts[name] = 0
        elif line == "}":
            name = ""
        elif in_brackets:  # the cases of a switch
            in_brackets = not code.startswith("]")
        # Labels, comments, debug records, and the clauses and unwind edge that belong to the instruction above.
        elif name and code and not re.match(r';|#dbg_|[\w$.]+:|"[^"]*":|cleanup$|catch |filter |to label ', code):
            counts[name] += 1
            in_brackets = code.startswith("switch ") and code.endswith("[")
    return counts


@dataclass(frozen=True)
class Elf:
    """A relocatable ELF64 file of this byte order, read by its own headers."""

    sections: list[tuple[str, int, int]]
    """(name, flags, size)"""
    functions: dict[str, int]
    """Symbols of type FUNC that are defined, and their sizes."""
    relocation_types: set[int]

    @property
    def code(self) -> int:
        """Bytes of executable sections."""
        return sum(size for _, flags, size in self.sections if flags & _SHF_EXECINSTR)

    @property
    def read_only(self) -> int:
        """Bytes of .rodata sections."""
        return sum(size for name, _, size in self.sections if name.startswith(".rodata"))

    @property
    def others(self) -> int:
        """Bytes of what else is loaded from the file."""
        loaded = [
            (name, size) for name, flags, size in self.sections if flags & _SHF_ALLOC and not flags & _SHF_EXECINSTR
        ]
        return sum(size for name, size in loaded if not name.startswith((".rodata", ".bss", ".tbss", ".note")))


def parse_elf(data: bytes) -> Elf:
    """Section headers, function symbols and relocation types of an object file."""
    assert data[:6] == b"\x7fELF\x02\x01"
    (table,) = struct.unpack_from("<Q", data, 0x28)
    entry_size, num_entries, names_at = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry_size) for i in range(num_entries)]

    def text(section: int, at: int) -> str:
        start = headers[section][4] + at
        return data[start : data.index(b"\0", start)].decode()

    functions, relocation_types = {}, set()
    for _, kind, _, _, offset, size, link, _, _, step in headers:
        for at in range(offset, offset + size, step) if kind in (_SHT_SYMTAB, _SHT_RELA) else ():
            if kind == _SHT_RELA:
                relocation_types.add(struct.unpack_from("<QQq", data, at)[1] & 0xFFFFFFFF)
            else:
                name, info, _, section, _, length = struct.unpack_from("<IBBHQQ", data, at)
                if info & 15 == _STT_FUNC and section:
                    functions[text(link, name)] = length
    return Elf([(text(names_at, h[0]), h[2], h[5]) for h in headers[1:]], functions, relocation_types)


def is_gone(pid: int) -> bool:
    """Whether the process has ended (a zombie that nobody collects has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def living_in_session(session: int) -> list[int]:
    """Processes of a session (`start_new_session=True` gives a child one of its own)."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208  (processes come and go)
    return [pid for pid in pids if not is_gone(pid) and _session(pid) == session]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
