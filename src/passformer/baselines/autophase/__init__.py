"""AutoPhase (Haj-Ali et al., 2020): an agent that sees 56 counts of a module and chooses pass after pass."""
