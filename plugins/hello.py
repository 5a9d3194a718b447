"""The smallest plugin: one file, one class, one page.

Change GREETING, save, and look at /hello/ again. A plugin is whatever lies in plugins/ and has a
class that derives from BasePlugin; its routes answer below its name.
"""

from typing import Any

from devserver.sdk import BasePlugin, Router

GREETING = "Hello from a plugin"

PAGE = """\
<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{greeting}</title></head>
  <body style="font-family: system-ui; margin: 4rem">
    <h1>{greeting}</h1>
    <p>Edit <code>plugins/hello.py</code> and save.</p>
  </body>
</html>
"""


class Hello(BasePlugin):
    name = "hello"
    version = "1.0.0"
    description = "The smallest plugin: one file, one page"

    def register_routes(self, app: Any, router: Router) -> None:
        @router.get("/")
        def page() -> str:
            """A page that greets."""
            return PAGE.format(greeting=GREETING)
