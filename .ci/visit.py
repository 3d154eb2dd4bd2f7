"""Starts a command that serves a page, asks for the page, and ends the command as Ctrl-C does."""

import re
import signal
import subprocess
import sys
import urllib.request

with subprocess.Popen([*sys.argv[1:], "--no-browser"], stdout=subprocess.PIPE, text=True) as server:
    try:
        line = server.stdout.readline()
        address = re.search("http://[0-9.:]+", line)
        assert address, f"no address in {line!r}"
        with urllib.request.urlopen(address[0], timeout=30) as page:
            title = re.search("<title>(.*)</title>", page.read().decode())
        print(line, title[1])
    finally:
        server.send_signal(signal.SIGINT)
assert server.returncode == 130, f"ended with status {server.returncode}, expected 130"
