"""Serve the built site as GitHub Pages does: under the path of the repository, compressed, with its page for wrong
addresses. For the tests and for Lighthouse; by hand: `python book/tools/pages_server.py`.
"""

import functools
import gzip
import http.server
import io
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

from project import HTML
from repository import pages_address

COMPRESSED = {".html", ".css", ".js", ".svg", ".json", ".xml", ".txt", ".webmanifest"}


class PagesHandler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments, path, **options):
        self.prefix = path
        super().__init__(*arguments, **options)

    def log_message(self, *arguments):
        pass

    def send_head(self):
        """The file behind an address, or the page for wrong addresses."""
        asked, status = urlparse(self.path).path, 200
        file = Path(self.translate_path("/" + asked.removeprefix(self.prefix)))
        if file.is_dir():
            file = file / "index.html"
        if not asked.startswith(self.prefix) or not file.is_file():
            file, status = Path(self.directory) / "404.html", 404
        content = file.read_bytes()
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(str(file)))
        self.send_header("Cache-Control", "max-age=600")
        if file.suffix in COMPRESSED:
            content = gzip.compress(content, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


class PagesServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A page that is closed before its files have come is no fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve_as_pages(folder=HTML, port=0):
    """The site on this machine alone; gives its address, which ends like that of the published one."""
    path = urlparse(pages_address()).path
    handler = functools.partial(PagesHandler, directory=str(folder), path=path)
    with PagesServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{path}"
        server.shutdown()


if __name__ == "__main__":
    with serve_as_pages(port=8000) as address:
        input(f"{address} - press Enter to stop\n")
