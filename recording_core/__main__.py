"""`python -m recording_core` runs the command `recordings`."""

import sys

from recording_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
