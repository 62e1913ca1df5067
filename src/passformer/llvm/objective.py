"""What is made small: the field's two measures of code size."""

from enum import StrEnum


class Objective(StrEnum):
    """What is counted."""

    INSTRUCTIONS = "instructions"
    """IR instructions, as in the paper."""
    TEXT = "text"
    """Bytes of machine code and read-only data in the emitted object."""
