"""``python -m extract``: the same as ``interpret-extract``."""

import sys

from .cli import main

sys.exit(main())
