"""A real headless Chromium, spoken to in its DevTools protocol through a pipe: no package is needed for it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

#: what a page was seen to do that it must not: messages on its console, exceptions, and requests
_TROUBLE = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Network.requestWillBeSent")
#: the browser reads its commands from file 3 and answers into file 4
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    " os.execv(sys.argv[3], sys.argv[3:])"
)


class Browser:
    """One tab. `trouble` holds what the page said on its console, threw, or asked the network for since `open`."""

    def __init__(self):
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if program is None:
            pytest.skip("no chromium here")
        self._profile = tempfile.TemporaryDirectory()
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        line = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars"]
        line += [f"--user-data-dir={self._profile.name}", "about:blank"]
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write)]
        start = [sys.executable, "-c", _START, *map(str, ends), *line]
        self._process = subprocess.Popen(start, pass_fds=ends, stderr=subprocess.DEVNULL)
        for end in ends:
            os.close(end)
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._number, self._session = b"", 0, None
        self.trouble, self._loaded = [], 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """The result of a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _message(self):
        while b"\0" not in self._buffer:
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._buffer += piece
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        if message.get("method") in _TROUBLE:
            self.trouble.append(message)
        self._loaded += message.get("method") == "Page.loadEventFired"
        return message

    def open(self, file, width=1400, height=1000, *, dark=False, medium="", script=True):
        """Load a file and wait for it; returns the seconds from navigation to the load event, as the page saw them."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=medium, features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.trouble, before = [], self._loaded
        self.call("Page.navigate", url=file.resolve().as_uri())
        while self._loaded == before:
            self._message()
        timing = "performance.getEntriesByType('navigation')[0]"
        return self.run(f"{timing}.loadEventStart - {timing}.startTime") / 1000 if script else None

    def run(self, expression):
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def mouse(self, x, y, *, click=False):
        """Move the mouse to a place of the window, and click there."""
        for kind in ("mouseMoved", *(("mousePressed", "mouseReleased") if click else ())):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if click else "none", clickCount=1)

    def screenshot(self, path):
        """The whole page as a PNG file."""
        import base64

        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        os.write(self._write, b'{"id":0,"method":"Browser.close"}\0')
        for handle in (self._write, self._read):
            os.close(handle)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        time.sleep(0.2)  # its helpers still write to the profile
        shutil.rmtree(self._profile.name, ignore_errors=True)
        self._profile._finalizer.detach()
