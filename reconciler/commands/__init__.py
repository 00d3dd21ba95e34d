"""The verbs of ``quill``, one module each; cli.py imports only the chosen one. They do not import each other."""
