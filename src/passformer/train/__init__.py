"""Training: configuration, loop, sharding, checkpoints, validation."""
