"""AutoPhase (Haj-Ali et al., 2020): an agent that sees 56 counts of a function and chooses pass after pass.

Importing this makes the environment known to Gymnasium.
"""

from passformer.llvm.errors import InputError

try:
    from gymnasium.envs.registration import register
except ImportError:
    raise InputError("AutoPhase needs Gymnasium and stable-baselines3: pip install 'passformer[baselines]'") from None

ENVIRONMENT = "passformer/PassOrder-v0"

register(ENVIRONMENT, entry_point="passformer.baselines.autophase.environment:PassOrder")
