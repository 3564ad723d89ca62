"""Commands: one module each, a config dataclass whose field docs are the help, and a short `main`.

Modules whose name starts with an underscore are the machinery that the commands share.
"""
