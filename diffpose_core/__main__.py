"""`python -m diffpose_core`."""

import sys

from diffpose_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
