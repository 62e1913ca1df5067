"""Verify: run real and generated programs, so that a pass list that breaks code is found by its output."""
