"""A web server that takes notices and writes each as one line: its Idempotency-Key, a blank, and its body.

usage: receiver.py ADDRESS PORT FILE
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Keep(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        key = (self.headers["idempotency-key"] or "none").encode()
        with open(sys.argv[3], "ab") as file:
            file.write(key + b" " + body + b"\n")
        self.send_response(204)
        self.end_headers()


server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Keep)
print("ready", flush=True)
server.serve_forever()
