"""Lets tests import the services from their sources, and gives them the stores."""

import os
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCES = [str(path) for path in sorted(_HERE.glob("*/src"))]
sys.path[:0] = [*_SOURCES, str(_HERE / "common" / "tests")]
# For the programs that tests start.
os.environ["PYTHONPATH"] = os.pathsep.join(_SOURCES)

from stores import postgresql, rabbitmq, redis_server, tls_files  # noqa: E402, F401 (fixtures)
