"""Inside real builds: a compiler wrapper that lets clang do its work, then puts a smaller object in its place."""
