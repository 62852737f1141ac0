"""Gives the services' tests the stores, and the programs that they start their packages."""

import os
import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE / "common" / "tests"))
os.environ["PYTHONPATH"] = os.pathsep.join(str(path) for path in sorted(_HERE.glob("*/src")))

from stores import *  # noqa: E402, F403 (fixtures)
