"""The web application: the page, what it asks for, and how errors are told."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import AsyncIterator
from importlib import resources

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import evovae
from evovae.base import InputError, shown
from evovae.explorer.launcher import BusyError
from evovae.explorer.middleware import Guard
from evovae.explorer.routes import favourites, latent, runs, sessions
from evovae.explorer.session_record import MOST_BYTES
from evovae.explorer.session_store import UnknownSessionError
from evovae.explorer.watched_runs import UnknownRunError
from evovae.explorer.workspace import Explored

STATUS: dict[type[Exception], int] = {
    UnknownSessionError: 404,
    UnknownRunError: 404,
    BusyError: 409,
    latent.BusyMapError: 409,
}


class Problem(BaseModel):
    """Why a request was refused, in one line."""

    detail: str


def make_app(explored: Explored) -> FastAPI:
    """Return the application; t-SNE and judges begin with it, and all that it started ends with it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        explored.start()
        try:
            yield
        finally:
            explored.close()

    app = FastAPI(
        title="evovae explorer",
        version=evovae.__version__,
        lifespan=lifespan,
        docs_url=None,  # their pages come from elsewhere
        redoc_url=None,
        responses={status: {"model": Problem} for status in (400, 403, 404, 405, 409, 413, 421, 422)},
    )
    for routes in (latent, sessions, favourites, runs):
        app.include_router(routes.make_router(explored), prefix="/api", dependencies=[Depends(_refuse_unknown)])
    _serve_page(app)
    app.exception_handler(InputError)(_tell)
    app.exception_handler(RequestValidationError)(_tell_invalid)
    app.exception_handler(HTTPException)(_tell_http)
    uploads = {"/api/encode": latent.PICTURE_BYTES, "/api/sessions/open": MOST_BYTES}
    app.add_middleware(Guard, most=uploads)
    return app


def _serve_page(app: FastAPI) -> None:
    """Serve the page from memory: no path that is asked for reaches the disk."""
    folder = resources.files("evovae") / "explorer" / "static"
    contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    def answer(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404, "there is no such file")
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        return Response(contents[name], media_type=kind, headers={"cache-control": "no-cache"})

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return answer("index.html")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        return answer(name)


async def _refuse_unknown(request: Request) -> None:
    """Refuse a query that names what the route does not take."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        raise InputError(f"{shown(unknown)}: no such parameter")


async def _tell(_: Request, error: Exception) -> JSONResponse:
    return _problem(STATUS.get(type(error), 422), str(error))


async def _tell_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = "/".join(str(part)[:40] for part in first["loc"][1:]) or "the request"
    return _problem(422, f"{where}: {first['msg']}")


async def _tell_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, str(error.detail), error.headers)


def _problem(status: int, detail: str, headers: object = None) -> JSONResponse:
    plain = detail.encode("utf-8", "backslashreplace").decode()  # a request may hold half a character
    return JSONResponse({"detail": plain}, status, dict(headers) if isinstance(headers, dict) else None)
