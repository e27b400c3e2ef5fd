"""`lmm-vqa web`: a server of one page for one machine, which leaves nothing behind."""

import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import torch

from pipeline.scoring import Scorer
from pipeline.web.desk import Desk

log = logging.getLogger(__name__)

# whatever is in the page, a browser asks nobody but this server
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; "
    "object-src 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class WebError(RuntimeError):
    """The page cannot be served."""


def check() -> None:
    """Raise WebError unless gradio is installed; before a model is loaded."""
    if find_spec("gradio") is None:
        raise WebError("the web demo needs gradio: pip install 'lmm-vqa[demo]'")


def serve(scorer: Scorer, host: str, port: int, most_mb: int) -> None:
    """Serve the page until interrupted or terminated.

    Raises:
        WebError: without gradio, or if nothing can listen at that address.
    """
    check()
    with (
        _listening(host, port) as listening,
        _temporary() as folder,
        ThreadPoolExecutor(1, initializer=_one_thread) as executor,
    ):
        import uvicorn  # gradio looks for its folder when it is imported
        from fastapi import FastAPI

        from pipeline.web.app import Server, mount

        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        stop = mount(app, Desk(scorer, folder), executor, most_mb)
        config = uvicorn.Config(
            _guarded(app, host), log_level="warning", timeout_graceful_shutdown=3
        )
        shown = f"[{host}]" if ":" in host else host
        log.info("http://%s:%d/ (Ctrl-C ends it)", shown, port)
        with contextlib.suppress(KeyboardInterrupt):
            Server(config, stop).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise WebError(f"cannot listen at {host}:{port}: {error}; --port names another") from error


def _guarded(app: Any, host: str) -> Any:
    """Return the app with headers of its own, and without gradio's ways to fetch addresses."""
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS.items()]}
            await send(message)

        path = scope.get("path", "").lower()
        if scope["type"] == "http" and ("=http" in path or "/proxy=" in path):
            await answer({"type": "http.response.start", "status": 404, "headers": []})
            await answer({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, answer)

    if not _is_loopback(host):
        return guarded
    # a stranger's page that calls itself by another name gets nothing
    return TrustedHostMiddleware(guarded, ["localhost", "127.0.0.1", "[::1]", host])


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """Let everything temporary lie in one folder, which goes with the server."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    before = tempfile.tempdir
    # terminated, it cleans up too
    handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="lmm-vqa-web-", ignore_cleanup_errors=True) as made:
            tempfile.tempdir = made
            uploads = Path(made) / "uploads"
            uploads.mkdir()
            os.environ["GRADIO_TEMP_DIR"] = str(uploads)
            yield uploads
    finally:
        tempfile.tempdir = before
        os.environ.pop("GRADIO_TEMP_DIR", None)
        signal.signal(signal.SIGTERM, handler)


def _one_thread() -> None:
    # as a worker of `lmm-vqa extract`: with two threads now and then a last bit differs
    torch.set_num_threads(1)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
