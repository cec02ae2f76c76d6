"""Registers classes with Keras once Keras is imported, so that importing a package stays quick.

Keras loads a `.keras` file only if the classes that it names are registered, which happens when the
modules that define them are imported. Importing them with the package would import TensorFlow too,
which takes seconds, and `--help` should not. They are imported right after Keras instead.
"""

import functools
import importlib
import importlib.abc
import sys

_BACKENDS = ("tensorflow", "jax")


def import_after_keras(package, modules):
    """Imports modules of a package now if Keras is imported, else as soon as it is.

    Args:
        package: Name of the package, which is being imported.
        modules: Function that returns the full names of the modules that register classes; it is
            called when Keras is imported.
    """
    if "keras" in sys.modules:
        _import(modules)
    else:
        sys.meta_path.insert(0, _Watcher(package, modules))


class _Watcher(importlib.abc.MetaPathFinder):
    """Waits for the end of the import that brought Keras.

    That is the import of Keras itself, or of a module of the package that needs it: the classes'
    modules may import this one, and must not meet it half done.
    """

    def __init__(self, package, modules):
        self.package, self.modules, self.depth = package, modules, 0

    def find_spec(self, name, path=None, target=None):
        if name != "keras" and name.rpartition(".")[0] != self.package:
            return None
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        specs = (finder.find_spec(name, path, target) for finder in behind)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = functools.partial(self._execute, execute)
        return spec

    def _execute(self, execute, module):
        self.depth += 1
        try:
            execute(module)
        except ModuleNotFoundError as error:
            if error.name in _BACKENDS and self.depth == 1:
                error.add_note(
                    f"Keras needs a backend: run `pip install '{self.package}[tensorflow]'`, or "
                    f"`pip install '{self.package}[jax]'` and set KERAS_BACKEND=jax."
                )
            raise
        finally:
            self.depth -= 1
        if self.depth == 0 and "keras" in sys.modules and self in sys.meta_path:
            sys.meta_path.remove(self)
            _import(self.modules)


def _import(modules):
    for module in modules():
        importlib.import_module(module)
