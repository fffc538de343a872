"""A small service for the workflow NAME: python3 SCRIPT, then it answers at http://127.0.0.1:8765 until Ctrl-C."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Rater(BaseHTTPRequestHandler):
    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = given.get("item")
        if isinstance(text, str) and text.split():
            self.answer(200, max(len(word) for word in text.split()))
        else:
            self.answer(400, {"error": "send a text as `item`"})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 8765), Rater).serve_forever()
