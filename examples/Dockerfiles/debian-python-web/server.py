#!/usr/bin/env python3
"""Serves ./public on the loopback address, and says who it is under /whoami. Ends with 0 on SIGTERM."""
import http.server
import json
import os
import signal
import sys
import urllib.request

PORT = int(os.environ.get("PORT", "8080"))


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/whoami":
            return super().do_GET()
        body = json.dumps({"uid": os.getuid(), "gid": os.getgid(), "pid": os.getpid(), "cwd": os.getcwd()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def check():
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=2) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        print(f"no answer on port {PORT}: {error}", file=sys.stderr)
        return 1


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "public"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # PORT=0 takes a free port; whoever started us reads it from this line.
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
