"""Runs a module as ``python -m`` does, with the invented platform in the list of platforms: ``... MODULE ARGUMENT...``.

The list is the one line that a platform adds outside its package; it is complete before anything else is imported.
"""

import runpy
import sys
from types import MappingProxyType

from exporter import platforms
from tests.platforms.invented import INVENTED

platforms.PLATFORMS = MappingProxyType({**platforms.PLATFORMS, INVENTED.name: INVENTED})  # type: ignore[misc]  # the line

if __name__ == "__main__":
    _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
