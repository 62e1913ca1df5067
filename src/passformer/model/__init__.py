"""The language model: Llama 2 in PyTorch, decoding, the runtime that users have. Knows nothing of LLVM."""
