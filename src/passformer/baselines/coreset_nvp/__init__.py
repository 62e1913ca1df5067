"""Coreset-NVP (Liang et al., 2023, arXiv 2301.05104): a graph network ranks fifty pass lists, and the best are tried."""
