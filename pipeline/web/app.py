"""The page: drop a video, see its score; two of them side by side. Needs gradio (extra `demo`)."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI

from pipeline.web.card import card, head
from pipeline.web.desk import Desk, Slot

WAITING = 16  # uploads that may wait for their turn
SWEEP_S, KEEP_S = 300, 3600  # what was uploaded and never scored goes after an hour


class Server(uvicorn.Server):  # type: ignore[misc]
    """Ends at once: pages keep a connection open, and gradio must be told to close it."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop.set()
        await super().shutdown(sockets)


def mount(app: FastAPI, desk: Desk, executor: Executor, most_mb: int) -> asyncio.Event:
    """Put the page at the root of an app; return what ends its connections.

    Args:
        executor: of one thread, on which everything is scored, one video at a time.
        most_mb: size of an upload.
    """
    with gr.Blocks(
        title="LMM-VQA", analytics_enabled=False, delete_cache=(SWEEP_S, KEEP_S)
    ) as blocks:
        gr.HTML(head(desk.scorer.warnings))
        with gr.Tab("One video"):
            _place(desk, executor, "one", f"Drop a video (at most {most_mb} MB)", None)
        with gr.Tab("Two side by side"):
            verdict = gr.HTML(elem_classes="verdict", elem_id="verdict")
            with gr.Row():
                for slot in ("a", "b"):
                    with gr.Column():
                        _place(desk, executor, slot, f"Video {slot.upper()}", verdict)
        blocks.unload(_leaving(desk, executor))
    blocks.queue(max_size=WAITING, default_concurrency_limit=1)
    here = files("pipeline.web")
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        max_file_size=f"{most_mb}mb",
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=gr.themes.Base(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        css=(here / "style.css").read_text(encoding="utf-8"),
        head=f"<script>{(here / 'player.js').read_text(encoding='utf-8')}</script>",
    )
    mounted: Any = app.routes[-1]
    stop: asyncio.Event = mounted.app.stop_event
    return stop


def _place(desk: Desk, executor: Executor, slot: Slot, label: str, verdict: gr.HTML | None) -> None:
    """Add a place for a video: where it is dropped, and below what is said of it."""
    box = gr.File(label=label, elem_id=f"drop-{slot}", height=110)
    shown = gr.HTML(elem_id=f"clip-{slot}", min_height=40)
    outputs = [shown] if verdict is None else [shown, verdict]

    def said(session: str, text: str) -> Any:
        words = escape(desk.comparison(session))  # holds names of files
        return text if verdict is None else (text, f"<p>{words}</p>" if words else "")

    def put(session: str, path: Path) -> Any:
        return said(session, card(desk.put(session, slot, path)))

    def clear(session: str) -> Any:
        desk.clear(session, slot)
        return said(session, "")

    async def uploaded(file: dict[str, Any], request: gr.Request) -> Any:
        return await _on(executor, put, request.session_hash, Path(file["path"]))

    async def cleared(request: gr.Request) -> Any:
        return await _on(executor, clear, request.session_hash)

    # preprocess=False: gradio would leave an empty file behind for each upload
    hidden: dict[str, Any] = {"api_visibility": "private", "preprocess": False}
    shared: dict[str, Any] = {"concurrency_id": "scorer", "show_progress_on": shown}
    box.upload(uploaded, box, outputs, **shared, **hidden)
    box.clear(cleared, None, outputs, **shared, **hidden)


def _leaving(desk: Desk, executor: Executor) -> Callable[..., Any]:
    async def left(request: gr.Request) -> None:
        await _on(executor, desk.leave, request.session_hash)

    return left


async def _on(executor: Executor, function: Callable[..., Any], *values: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(executor, function, *values)
