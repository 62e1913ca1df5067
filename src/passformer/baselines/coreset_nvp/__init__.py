"""Coreset-NVP (Liang et al., 2023, arXiv 2301.05104): a graph network ranks 50 pass lists, and the best are tried."""
