"""A plugin of this repository as a module, without Ansible's loader."""

import importlib.util
from pathlib import Path
from types import ModuleType

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def load_plugin(path: str) -> ModuleType:
    """Import the file at a path below plugins/, anew on each call."""
    spec = importlib.util.spec_from_file_location(path.removesuffix(".py").replace("/", "_"), PLUGINS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
