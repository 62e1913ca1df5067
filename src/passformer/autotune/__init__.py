"""Find short pass lists that make functions small: random search, coresets, and what builds on them."""
