"""`python -m passformer` is the command line."""

from passformer.cli import main

main()
