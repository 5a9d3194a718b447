"""`sysctl dev plugin analyze-deps`."""

from __future__ import annotations

from devserver.cli.client import ServerClient
from devserver.cli.failures import ExitCode
from devserver.cli.graphs import PluginGraph
from devserver.cli.offline import OfflinePlugins
from devserver.cli.output import print_document
from devserver.runtime.project import Project


def analyse(project: Project, name: str | None, *, form: str) -> ExitCode:
    """Prints the graph, of one plugin or of all, as rich, json, dot, mermaid or svg.

    Raises PluginNotFound.
    """
    client = ServerClient.find(project)
    known = OfflinePlugins(project).graph() if client is None else client.read("/api/graph")
    graph = PluginGraph(known, name)
    found = graph.to_json()
    if form == "json":
        print_document(found)
    elif form == "rich":
        graph.draw()
    else:
        print({"dot": graph.to_dot, "mermaid": graph.to_mermaid, "svg": graph.to_svg}[form]())
    return ExitCode.FAILED if found["cycles"] or found["missing"] else ExitCode.OK
