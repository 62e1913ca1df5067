"""The compiler: libLLVM and clang found and bound, modules, the pass catalog, pass lists, sandboxed evaluation.

Start at `sandbox` (how anything is run), `measure` (what is run) and `passlist` (what is asked for).
"""
