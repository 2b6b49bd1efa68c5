"""``python -m polyreel``."""

import sys

from polyreel.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
