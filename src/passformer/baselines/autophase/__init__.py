"""AutoPhase (Haj-Ali et al., 2020): an agent that sees 56 counts of a function and chooses pass after pass."""

import importlib.util

from passformer.llvm.errors import InputError

if not importlib.util.find_spec("gymnasium"):
    raise InputError("AutoPhase needs Gymnasium and stable-baselines3: pip install 'passformer[baselines]'")
