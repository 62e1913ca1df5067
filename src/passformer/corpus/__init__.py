"""From sources to functions: extract each function into a module of its own, normalise, deduplicate, split."""
