"""passformer: a language model that orders LLVM's optimisation passes, for code smaller than `clang -Oz`."""

__version__ = "0.1.0"
