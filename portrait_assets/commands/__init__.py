"""Groups of commands, each a module; `cli.py` puts them together."""
