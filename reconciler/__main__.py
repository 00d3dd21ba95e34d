"""``python -m reconciler`` is ``quill``; nothing else belongs here."""

import sys

from reconciler.cli import main

sys.exit(main())
