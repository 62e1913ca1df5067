"""What stands beside every figure: the machine and the commit that it was measured on."""

import os
import platform
import subprocess
from pathlib import Path


def provenance() -> dict[str, str]:
    """`machine` (processor, cores, system) and `commit` (empty outside git; with a `+` where files differ)."""
    return {"machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}", "commit": _commit()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
