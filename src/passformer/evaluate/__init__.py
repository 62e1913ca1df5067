"""Evaluation: methods x functions -> results.parquet -> tables and figures."""
