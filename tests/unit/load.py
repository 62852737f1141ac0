"""Plugins, scripts and roles' programs of this repository as modules, without Ansible's loader."""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load_plugin(path: str) -> ModuleType:
    """Import the file at a path below plugins/, anew on each call."""
    return _load(path.removesuffix(".py").replace("/", "_"), ROOT / "plugins" / path)


def load_script(name: str) -> ModuleType:
    """Import a script, which has no suffix, anew on each call."""
    return _load(name, ROOT / "scripts" / name)


def load_program(path: str) -> ModuleType:
    """Import the file at a path below roles/, anew on each call; it finds those beside it, as on a host."""
    file = ROOT / "roles" / path
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    return _load(file.stem, file)


def _load(name: str, file: Path) -> ModuleType:
    loader = SourceFileLoader(name, str(file))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look themselves up there.
    sys.modules[name] = module
    loader.exec_module(module)
    return module
