"""AutoPhase (Haj-Ali et al., 2020): an agent that sees 56 counts of a function and chooses pass after pass.

Importing this makes the environment known to Gymnasium.
"""

from gymnasium.envs.registration import register

ENVIRONMENT = "passformer/PassOrder-v0"

register(ENVIRONMENT, entry_point="passformer.baselines.autophase.environment:PassOrder")
