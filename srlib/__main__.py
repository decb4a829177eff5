"""`python -m srlib` is the command `srlib`."""

import sys

from srlib.cli import main

sys.exit(main())
