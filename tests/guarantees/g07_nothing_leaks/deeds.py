"""What plugins do to the interpreter without the SDK, and how the interpreter looks."""

from __future__ import annotations

import atexit
import codecs
import gc
import logging
import os
import sys
import threading
import warnings
from typing import Any

from tests.integration.lab import Lab, wait_for

DEEDS = {
    "import path": "import sys\nsys.path.insert(0, '/nowhere/vendor')",
    "import path at the end": "import sys\nsys.path.append('/nowhere/vendor')",
    "guarded import path": """
import sys
if '/nowhere/vendor' not in sys.path:
    sys.path.insert(0, '/nowhere/vendor')
""",
    "import finder": """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        return None
sys.meta_path.append(Finder())
""",
    "path hook": """
import sys
def hook(path):
    raise ImportError(path)
sys.path_hooks.append(hook)
""",
    "warnings filter": """
import warnings
warnings.filterwarnings('ignore', message='of the users plugin')
""",
    "simple warnings filter": """
import warnings
class Odd(UserWarning):
    pass
warnings.simplefilter('always', Odd)
""",
    "warnings filter at the end": """
import warnings
warnings.filterwarnings('ignore', message='of the users plugin', append=True)
""",
    "gc callback": "import gc\ndef on_gc(phase, info):\n    pass\ngc.callbacks.append(on_gc)",
    "excepthook": "import sys\ndef hook(*error):\n    pass\nsys.excepthook = hook",
    "excepthook that goes on": """
import sys
before = sys.excepthook
def hook(*error):
    before(*error)
sys.excepthook = hook
""",
    "threads' excepthook": """
import threading
def hook(arguments):
    pass
threading.excepthook = hook
""",
    "trace of new threads": "import threading\ndef trace(*_):\n    pass\nthreading.settrace(trace)",
    "codec": """
import codecs
def search(name):
    return codecs.lookup('ascii') if name == 'pluginese' else None
codecs.register(search)
""",
    "atexit": "import atexit\ndef at_exit():\n    pass\natexit.register(at_exit)",
    "foreign function at exit": "import atexit, operator\natexit.register(operator.add, 1, 2)",
    "handler at the root logger": """
import logging
class Handler(logging.NullHandler):
    pass
logging.getLogger().addHandler(Handler())
""",
    "handler of the library at a foreign logger": """
import logging
logging.getLogger('elsewhere').addHandler(logging.StreamHandler())
""",
    "log filter": "import logging\nlogging.getLogger().addFilter(lambda record: True)",
    "log level": "import logging\nlogging.getLogger('elsewhere').setLevel(logging.ERROR)",
    "log record factory": """
import logging
before = logging.getLogRecordFactory()
def factory(*a, **k):
    return before(*a, **k)
logging.setLogRecordFactory(factory)
""",
    "environment": "import os\nos.environ.setdefault('USERS_PLUGIN', '1')",
    "changed environment": "import os\nos.environ['USERS_PLUGIN_PATH'] = 'mine'",
}


def world() -> dict[str, Any]:
    """Everything that the deeds touch, in order."""
    root, elsewhere = logging.getLogger(), logging.getLogger("elsewhere")
    return {
        "sys.path": list(sys.path),
        "sys.meta_path": [id(f) for f in sys.meta_path],
        "sys.path_hooks": [id(f) for f in sys.path_hooks],
        "gc.callbacks": [id(f) for f in gc.callbacks],
        "warnings": list(warnings.filters),
        "hooks": [id(sys.excepthook), id(threading.excepthook), id(threading.gettrace())],
        "atexit": atexit._ncallbacks(),  # counts those that were taken back too
        "codec": _is_known("pluginese"),
        "handlers": [id(h) for h in (*root.handlers, *elsewhere.handlers)],
        "log filters": [id(f) for f in root.filters],
        "level": elsewhere.level,
        "factory": id(logging.getLogRecordFactory()),
        "environment": {k: v for k, v in os.environ.items() if k.startswith("USERS_")},
    }


def sizes(seen: dict[str, Any]) -> dict[str, Any]:
    """How much of everything there is, whoever's it is."""
    countable = {k: v for k, v in seen.items() if k not in ("hooks", "factory")}
    return {k: len(v) if isinstance(v, (list, dict)) else v for k, v in countable.items()}


def _is_known(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def wait_disposed(lab: Lab) -> None:
    """Until every generation that was replaced has been let go."""
    disposer = lab.running._disposer
    wait_for(lambda: not disposer._threads, "the end of disposal")
