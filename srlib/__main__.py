"""`python -m srlib` is the command `srlib`."""

import sys

from srlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
