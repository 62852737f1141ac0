"""Gives the services' tests the stores, and the programs that they start their packages."""

import os
import sys
from datetime import timedelta
from pathlib import Path

from hypothesis import settings

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE / "common" / "tests"))
os.environ["PYTHONPATH"] = os.pathsep.join(str(path) for path in sorted(_HERE.glob("*/src")))

# By the clock on the wall: it is there to find input that takes for ever, not to measure a busy machine.
settings.register_profile("alicerce", deadline=timedelta(seconds=5))
settings.load_profile("alicerce")

from stores import *  # noqa: E402, F403 (fixtures)
