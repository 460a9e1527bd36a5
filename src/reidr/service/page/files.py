"""The page's files, made once: the shell and the style sheet by Jinja, with colours and marks of the report pages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from reidr import __version__
from reidr.report.page import environment as report_environment

MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
STYLE = "page.css"


@dataclass(frozen=True)
class PageFile:
    """One file as it is sent. tag: the ETag header, which changes with the content."""

    content: bytes
    media_type: str
    tag: str


@cache
def shell() -> PageFile:
    """The HTML page: headings, forms and dialogs without a word of anybody; scripts fill it."""
    text = environment().get_template("page.html.j2").render(version=__version__, style=STYLE)
    return page_file(text.encode(), "text/html; charset=utf-8")


@cache
def page_files() -> dict[str, PageFile]:
    """Style sheet and scripts by name."""
    style = environment().get_template(STYLE).render().encode()
    made = {STYLE: page_file(style, MEDIA_TYPES[".css"])}
    for script in sorted((files("reidr.service.page") / "scripts").iterdir(), key=lambda each: each.name):
        if script.name.endswith(".js"):
            made[script.name] = page_file(script.read_bytes(), MEDIA_TYPES[".js"])
    return made


@cache
def environment() -> Any:
    """The report pages' template engine, which finds their templates too."""
    own = jinja2.PackageLoader("reidr.service.page", "templates")
    reports = report_environment()
    return reports.overlay(loader=jinja2.ChoiceLoader([own, reports.loader]))


def page_file(content: bytes, media_type: str) -> PageFile:
    """The file with a tag of its content."""
    return PageFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
