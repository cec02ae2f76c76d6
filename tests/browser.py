"""Headless Chromium for tests, driven over pipes by the DevTools protocol. No package is needed.

    with browser.started() as page:
        page.open(path)
        page.click("#play")
        page.press("ArrowRight")
        assert page.evaluate("document.title") == "..."
        assert page.errors == []

A test is skipped where there is no Chromium or Chrome. The browser's profile is a temporary folder,
and all its processes end with the block.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--mute-audio",
)
_KEYS = {  # name: (code, key code of Windows, text)
    " ": ("Space", 32, " "),
    "Enter": ("Enter", 13, "\r"),
    "Tab": ("Tab", 9, ""),
    "Escape": ("Escape", 27, ""),
    "End": ("End", 35, ""),
    "Home": ("Home", 36, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
}


class BrowserError(AssertionError):
    """A call that the browser refused, did not answer in time, or a script that raised."""


@contextlib.contextmanager
def started(*flags, width=1280, height=900):
    """Lends a `Page` of a new browser. Skips the test where no browser is installed.

    Args:
        *flags: Further flags of Chromium.
        width, height: Size of the window in CSS pixels.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(NAMES)}")
    with contextlib.ExitStack() as stack:
        profile = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True)
        )
        flags = [*_FLAGS, *flags, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        (theirs_in, ours_out), (ours_in, theirs_out) = _pipe(), _pipe()
        stack.callback(os.close, ours_in)
        stack.callback(os.close, ours_out)
        try:
            process = os.posix_spawn(
                program,
                [program, *flags, "about:blank"],
                os.environ | {"HOME": profile},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 4),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setpgroup=0,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        stack.callback(_end, process)
        page = Page(ours_in, ours_out)
        page.set_size(width, height)
        yield page


class Page:
    """A page of the browser.

    Attributes:
        errors: Texts of exceptions, of errors in the console, and of failed requests, in order.
        requests: Addresses of all requests, without those of `data:` and `blob:`.
    """

    def __init__(self, pipe_in, pipe_out):
        self._in, self._out, self._buffer, self._calls = pipe_in, pipe_out, b"", 0
        self._session, self._events = None, []
        self.errors, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, address, seconds=30):
        """Loads a file or an address, and waits for the event `load`."""
        if "://" not in str(address):
            address = Path(address).resolve().as_uri()
        self._events.clear()
        failed = self.call("Page.navigate", url=address).get("errorText")
        if failed:
            raise BrowserError(f"{address}: {failed}")
        end = time.monotonic() + seconds
        while "Page.loadEventFired" not in self._events:
            self._take(self._receive(end, f"{address} to load"))

    def evaluate(self, script, seconds=30):
        """Returns the value of a JavaScript expression; of a promise, once it is kept."""
        given = {"returnByValue": True, "awaitPromise": True, "userGesture": False}
        done = self.call("Runtime.evaluate", seconds, expression=script, **given)
        if "exceptionDetails" in done:
            raise BrowserError(f"{script}: {_text_of(done['exceptionDetails'])}")
        return done["result"].get("value")

    def wait_for(self, script, seconds=10):
        """Waits until a JavaScript expression is true, and returns its value."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            if time.monotonic() > end:
                raise BrowserError(f"not true within {seconds} s: {script}")
            time.sleep(0.02)
        return value

    def press(self, key):
        """Presses and releases a key, by its name in JavaScript: "a", " ", "ArrowLeft"."""
        code, number, text = _KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
        named = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def click(self, selector, x=0.5, y=0.5):
        """Clicks on an element, which is scrolled into view: at shares of its width and height."""
        place = self.evaluate(
            f"(element => {{ element.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const b = element.getBoundingClientRect();"
            f" return [b.left + {x} * b.width, b.top + {y} * b.height]; }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        at = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def set_size(self, width, height=900, dark=False):
        """Sets the size in CSS pixels, and whether the reader prefers dark colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path, whole=True):
        """Writes a picture of the whole page, or of what the window shows, as PNG."""
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(taken["data"]))

    def call(self, method, seconds=30, /, **parameters):
        """Calls a method of the DevTools protocol and returns its result."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        end = time.monotonic() + seconds
        while True:
            answer = self._receive(end, f"an answer to {method}")
            if answer.get("id") == self._calls:
                break
            self._take(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self, end, wanted):
        """Returns the next message of the browser."""
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise BrowserError(f"waited in vain for {wanted}")
            data = os.read(self._in, 2**20)
            if not data:
                raise BrowserError(f"the browser ended; waited for {wanted}")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _take(self, event):
        """Keeps what an event tells."""
        method, given = event.get("method"), event.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.errors.append(_text_of(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "assert"):
            told = (str(each.get("value", each.get("description"))) for each in given["args"])
            self.errors.append(" ".join(told))
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(f"{given['entry']['text']} {given['entry'].get('url', '')}".strip())
        elif method == "Network.requestWillBeSent":
            address = given["request"]["url"]
            if not address.startswith(("data:", "blob:")):
                self.requests.append(address)


def _text_of(details):
    return details.get("exception", {}).get("description") or details["text"]


def _pipe():
    """Returns the ends of a pipe to read and to write, above 3 and 4, those of the browser."""
    ends = []
    for low in os.pipe():
        ends.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(low)
    return ends


def _end(process):
    """Kills the browser with all its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
