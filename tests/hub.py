"""A small Hugging Face hub on loopback: the few calls that pushing and pulling a model needs.

The client is the real one. Text goes with the commit, everything else by Git LFS, as on the hub;
its newer transfer (Xet) is not there. Source of the calls: huggingface_hub 2.4, `hf_api.py`,
`_commit_api.py`, `lfs.py`.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_a_test"
TEXT = (".json", ".md", ".csv", ".txt", ".jinja")


@dataclass
class Repository:
    """Files of the main branch by path, and who may see them."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)

    @property
    def commit(self) -> str:
        """Return a hash of all files, in the place of git's."""
        parts = [path.encode() + data for path, data in sorted(self.files.items())]
        return hashlib.sha1(b"".join(parts)).hexdigest()


@dataclass
class Hub:
    """What the server holds."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    full: bool = False  # refuses large files


@contextmanager
def serving() -> Iterator[Hub]:
    """Run a hub until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does; an unknown call is 404, a wrong token 401."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._error(401, "Invalid username or password.")
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        name = re.fullmatch(r"/(?:api/models/)?([\w-]+/[\w-]+)(?:/|\.git/).*", path)
        if not name or name[1] not in self.hub.repositories:
            return self._error(404, "Repository not found")
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body)["objects"])
        if path.endswith("/preupload/main"):
            return self._modes(json.loads(body)["files"])
        assert path.endswith("/commit/main"), path
        return self._commit(name[1], [json.loads(line) for line in body.splitlines()])

    def do_PUT(self) -> None:
        oid, data = self.path.removeprefix("/lfs/"), self._body()
        if self.hub.full or hashlib.sha256(data).hexdigest() != oid:
            return self._error(403, "storage limit reached, or not what was announced")
        self.hub.objects[oid] = data
        return self._json({})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        found = re.fullmatch(r"/(?:api/models/)?([\w-]+/[\w-]+)(?:/(\w+)/(\w+)(?:/(.*))?)?", path)
        repository = self.hub.repositories.get(found[1]) if found else None
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if not found or repository is None or (repository.private and not allowed):
            # what is private is not told from what is not there
            return self._error(401, "Repository not found", "RepoNotFound")
        if found[3] not in (None, "main", repository.commit):
            return self._error(404, "Revision not found", "RevisionNotFound")
        if found[2] == "tree":
            return self._json([self._entry(repository, name) for name in repository.files])
        if found[2] == "resolve":
            return self._file(repository, found[4])
        return self._json({"id": found[1], "sha": repository.commit, "private": repository.private})

    do_HEAD = do_GET

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            return self._json({"error": "exists", "url": f"{self.hub.url}/{name}"}, 409)
        self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
        return self._json({"url": f"{self.hub.url}/{name}", "name": name})

    def _modes(self, files: list[dict[str, Any]]) -> None:
        modes = [
            {
                "path": file["path"],
                "uploadMode": "regular" if file["path"].endswith(TEXT) else "lfs",
                "shouldIgnore": False,
            }
            for file in files
        ]
        return self._json({"files": modes})

    def _batch(self, objects: list[dict[str, Any]]) -> None:
        for found in objects:
            if found["oid"] not in self.hub.objects:
                found["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{found['oid']}"}}
        return self._json({"transfer": "basic", "objects": objects})

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repository = self.hub.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.objects[value["oid"]]
                repository.large.add(value["path"])
        commit = repository.commit
        url = f"{self.hub.url}/{name}/commit/{commit}"
        return self._json({"success": True, "commitUrl": url, "commitOid": commit})

    def _entry(self, repository: Repository, path: str) -> dict[str, Any]:
        data = repository.files[path]
        entry = {"type": "file", "path": path, "size": len(data)}
        entry["oid"] = hashlib.sha1(data).hexdigest()
        if path in repository.large:
            digest = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
        return entry

    def _file(self, repository: Repository, path: str) -> None:
        if path not in repository.files:
            return self._error(404, "Entry not found", "EntryNotFound")
        entry = self._entry(repository, path)
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        facts = {"X-Repo-Commit": repository.commit, "ETag": f'"{etag}"'}
        return self._answer(200, repository.files[path], facts)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, content: object, status: int = 200) -> None:
        self._answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._answer(status, json.dumps({"error": message}).encode(), headers)

    def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""
