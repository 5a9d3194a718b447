"""The dashboard's page."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from devserver.web.errors import PAGE_POLICY
from devserver.web.ports import Control


class Dashboard:
    """The view of `/`. The page is a shell: its script fills it from the API."""

    def __init__(self, *, control: Control) -> None:
        self._control = control

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("dashboard", __name__)
        blueprint.get("/")(self.page)
        return blueprint

    def page(self) -> Response:
        """The dashboard."""
        return own_page("dashboard.html", project=self._control.title, path=str(self._control.root))


def own_page(template: str, **values: str) -> Response:
    """One of the product's pages, with what browsers are to keep to."""
    response = make_response(render_template(template, **values))
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
