"""Everything that checks Quill; a package so that its helpers can be run with `python -m`."""
