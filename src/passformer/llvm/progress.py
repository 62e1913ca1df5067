"""How long-running functions tell what they have done; who calls them decides what people see of it."""

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called with (step, finished, total); what follows a colon in the step's name is detail that changes."""


def silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""
