"""What the model is compared with: systems that others proposed, and the cheap rivals that it must beat.

Importing this makes AutoPhase's environment known to Gymnasium, where that is installed.
"""

import importlib.util

ENVIRONMENT = "passformer/PassOrder-v0"

if importlib.util.find_spec("gymnasium"):
    from gymnasium.envs.registration import register

    register(ENVIRONMENT, entry_point="passformer.baselines.autophase.environment:PassOrder")
