"""``python -m polyreel``."""

import sys

from polyreel.cli import main

if __name__ == "__main__":
    sys.exit(main())
