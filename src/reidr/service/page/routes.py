"""Where the page and its files are served. Nothing here needs a key: they hold nothing of anybody."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from reidr.service.page.files import PageFile, page_files, shell

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
"""No script and no style but our own files, nothing from another host, and no text is ever taken for markup."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept by browsers, but asked for anew every time: a new version of ReID-R is seen at once.
    "Cache-Control": "no-cache",
}


def page_routes() -> APIRouter:
    """`GET /` and `GET /page/NAME` for the application of `reidr serve`; no part of its OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    def page(request: Request) -> Response:
        return answered(request, shell())

    @router.api_route("/page/{name}", methods=["GET", "HEAD"])
    def file(request: Request, name: str) -> Response:
        found = page_files().get(name)
        if found is None:
            raise HTTPException(404, "The page has no file of this name.")
        return answered(request, found)

    return router


def answered(request: Request, file: PageFile) -> Response:
    """The file, or 304 where the browser holds it already."""
    headers = {**HEADERS, "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
