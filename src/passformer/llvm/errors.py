"""The exceptions that reach a person: one line each, with the exit status that the command line gives them."""


class PassformerError(Exception):
    """Base of all errors that are printed as one line instead of a traceback."""

    exit_code = 1


class InputError(PassformerError):
    """What was asked cannot be done as asked: the message says what is wrong and what to do next."""

    exit_code = 2


class CompilerError(PassformerError):
    """LLVM or clang failed (crash, hang, refused, invalid result) on what was asked."""

    exit_code = 3
