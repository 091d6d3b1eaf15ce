"""``python -m exporter`` is ``voice-exporter``."""

import sys

from exporter.cli import main

sys.exit(main())
