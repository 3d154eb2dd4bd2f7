"""What every request must pass before anything is done with it."""

from __future__ import annotations

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_JSON = 1 << 20
"""Bytes of a request's body, where it is JSON: 1 MiB."""
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Lets requests through that come from this machine and, in a browser, from the explorer's own page.

    Another page that is open in the same browser may send requests to 127.0.0.1, too. It cannot name another `Origin`
    than its own; and a name of its own that it lets point to 127.0.0.1 shows in `Host`.

    Args:
        app: the application behind it.
        most: bytes of a body, by path; `MOST_JSON` elsewhere.
    """

    def __init__(self, app: ASGIApp, most: dict[str, int]) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused; hand on the others."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = _refusal(scope, headers)
        most = self._most.get(scope["path"], MOST_JSON)
        body = b""
        if refusal is None:
            length = headers.get("content-length", "0")
            body_or_none = await _read(receive, most) if length.isdigit() and int(length) <= most else None
            if body_or_none is None:
                refusal = 413, f"the body is too large: expected at most {most} bytes"
            else:
                body = body_or_none

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = [
                    (name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in known
                ]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        if refusal is not None:
            await _answer(send_with_headers, *refusal)
            return
        given = False

        async def give() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, give, send_with_headers)


def _refusal(scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
    """Return status and reason if a request is not from the explorer's own page, or another program here."""
    port = scope["server"][1] if scope.get("server") else None
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")} | (
        {"127.0.0.1", "localhost"} if port == 80 else set()
    )
    host = headers.get("host", "")
    if host not in hosts:
        return 421, "the explorer answers to 127.0.0.1 and localhost alone"
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return 403, "the explorer answers to its own page alone"
    foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    visit = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET" and scope["path"] == "/"
    if foreign and not visit:
        return 403, "the explorer answers to its own page alone"
    return None


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return the body, or None if it is larger than it may be."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
