"""An editor as a language server sees it: messages of the Language Server Protocol over pipes, and no screen."""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

Message = dict[str, Any]

ABILITIES = {"workspace": {"configuration": True}, "textDocument": {"hover": {"contentFormat": ["markdown"]}}}
PATIENCE = 60
"""Seconds for any one answer; all of them usually come within one."""


@contextlib.contextmanager
def editing(folder: Path, server: Sequence[str], settings: Message) -> Iterator["Editor"]:
    """An editor of a folder; the server has ended afterwards, whatever happened. Settings are by section."""
    received: queue.Queue[Message | None] = queue.Queue()
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as process:
        assert process.stdin
        assert process.stdout
        reader = threading.Thread(target=_receive, args=(process.stdout, received))
        reader.start()
        try:
            editor = Editor(process.stdin, received, settings)
            editor.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities=ABILITIES)
            editor.tell("initialized")
            editor.wait(lambda message: message.get("method") == "workspace/configuration")
            yield editor
            editor.ask("shutdown")
            editor.tell("exit")
            process.wait(PATIENCE)
        finally:
            process.kill()
            reader.join()
            with contextlib.suppress(BrokenPipeError):  # one that has ended by itself leaves unread what it was sent
                process.stdin.close()


class Editor:
    """Opens files and asks about places in them."""

    def __init__(self, sink: BinaryIO, received: "queue.Queue[Message | None]", settings: Message) -> None:
        self._sink, self._received, self._settings = sink, received, settings
        self._asked = 0
        self._problems: dict[str, list[Message]] = {}

    def problems(self, *files: Path) -> list[list[Message]]:
        """What is underlined in each of these files once they are opened."""
        for file in files:
            document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": file.read_text()}
            self.tell("textDocument/didOpen", textDocument=document)
        wanted = {file.as_uri() for file in files}
        while not wanted <= set(self._problems):
            told = self.wait(lambda message: message.get("method") == "textDocument/publishDiagnostics")["params"]
            self._problems[told["uri"]] = told["diagnostics"]
        return [self._problems[file.as_uri()] for file in files]

    def at(self, file: Path, line: int, column: int, *, what: str) -> Any:
        """The answer to a request, hover or completion, about a place in an open file. Lines and columns begin at 0."""
        place = {"line": line, "character": column}
        return self.ask(f"textDocument/{what}", textDocument={"uri": file.as_uri()}, position=place)

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request."""
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        answer = self.wait(lambda message: message.get("id") == self._asked and "method" not in message)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def tell(self, method: str, **params: Any) -> None:
        """What has no answer."""
        self._send({"method": method, "params": params})

    def wait(self, wanted: Callable[[Message], bool]) -> Message:
        """The next message that is wanted; what the server asks for in the meantime is answered from the settings."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                message = self._received.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the language server said nothing of that within {PATIENCE} s") from None
            if message is None:
                self._received.put(None)  # for whoever asks next
                raise AssertionError("the language server has ended; its last words are in the captured stderr")
            if {"id", "method"} <= message.keys():
                items = message.get("params", {}).get("items", [])
                self._send({"id": message["id"], "result": [self._settings.get(each["section"]) for each in items]})
            if wanted(message):
                return message

    def _send(self, message: Message) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with contextlib.suppress(BrokenPipeError):  # whoever waits for an answer is told that the server has ended
            self._sink.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
            self._sink.flush()


def _receive(source: BinaryIO, received: "queue.Queue[Message | None]") -> None:
    """Put every message into the queue, and None once there are no more."""
    length = 0
    try:
        while header := source.readline():
            if header.lower().startswith(b"content-length:"):
                length = int(header.partition(b":")[2])
            elif not header.strip() and len(content := source.read(length)) == length:  # shorter: it was killed
                received.put(json.loads(content))
    finally:
        received.put(None)
