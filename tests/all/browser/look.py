#!/usr/bin/env python3
"""Looks at a page as a person does, through headless Chromium.

usage: look.py PAGE ID... [--pictures FOLDER]

Opens PAGE at a desktop's and a phone's width, on a light and a dark screen, and
fails unless each ID is there and has a size, nothing is wider than the screen,
the switch of the axes changes what is shown, a tooltip appears, the screen's
choice of light or dark is followed, nothing came to the console, and nothing
was asked of a network. With --pictures it keeps a PNG of each.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SCREENS = {"desktop": (1200, 900), "phone": (360, 740)}


class Browser:
    """Chromium, told what to do through a pair of pipes (its DevTools
    protocol: messages of JSON that end with a zero byte)."""

    def __init__(self, program):
        self.profile = tempfile.mkdtemp()
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()

        def connect():  # the browser reads from 3 and writes to 4
            # Out of the way first: they may be 3 or 4 themselves.
            high = [os.dup2(to_browser, 60), os.dup2(from_browser, 61)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--remote-debugging-pipe",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--user-data-dir=" + self.profile],
            preexec_fn=connect, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events = []

    def close(self):
        os.close(self.write_end)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.read_end, 1 << 16)
            if not part:
                raise RuntimeError("the browser has ended")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.write_end, json.dumps(command).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.message())

    def open_tab(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def value_of(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression,
                           returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")


class Look:
    def __init__(self, browser, page, screen, scheme):
        self.browser = browser
        self.page = page
        self.where = f"{page.name}, {screen}, {scheme}"
        self.faults = []
        width, height = SCREENS[screen]
        browser.call("Emulation.setDeviceMetricsOverride", width=width,
                     height=height, deviceScaleFactor=1,
                     mobile=screen == "phone")
        browser.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])
        browser.events.clear()
        browser.call("Page.navigate", url=page.resolve().as_uri())
        browser.wait_for("Page.loadEventFired")

    def expect(self, condition, what):
        if not condition:
            self.faults.append(f"{self.where}: {what}")

    def parts(self, ids):
        for name in ids:
            box = self.browser.value_of(
                "(() => { const e = document.getElementById("
                f"{json.dumps(name)}); if (!e) return null; const b = "
                "e.getBoundingClientRect(); return [b.width, b.height]; })()")
            self.expect(box is not None, f"there is no #{name}")
            self.expect(box is None or (box[0] > 0 and box[1] > 0),
                        f"#{name} has no size: {box}")

    def widths(self):
        """Only what scrolls by itself may be wider than its place."""
        wide = self.browser.value_of("""
          [...document.querySelectorAll('body *')].filter((e) => {
            const b = e.getBoundingClientRect();
            return b.width > 0 && b.right > innerWidth + 1 &&
              !e.closest('.scroll') && !e.classList.contains('axis');
          }).map((e) => e.tagName + '#' + e.id + '.' + e.getAttribute('class') +
            ' ' + (e.textContent || '').slice(0, 30)).slice(0, 5)""")
        self.expect(not wide, f"wider than the screen: {wide}")
        scroll = self.browser.value_of(
            "document.documentElement.scrollWidth - innerWidth")
        self.expect(scroll <= 0, f"the page scrolls sideways by {scroll}")

    def labels(self):
        """No two labels of an axis touch."""
        touching = self.browser.value_of("""
          [...document.querySelectorAll('.x, .y')].flatMap((axis) => {
            const boxes = [...axis.querySelectorAll('span')].filter((s) =>
              getComputedStyle(s).visibility !== 'hidden').map((s) =>
              s.getBoundingClientRect()).filter((b) => b.width > 0);
            return boxes.slice(1).filter((b, i) => b.left < boxes[i].right &&
              boxes[i].left < b.right && b.top < boxes[i].bottom &&
              boxes[i].top < b.bottom).map(() => axis.textContent);
          }).slice(0, 3)""")
        self.expect(not touching, f"labels touch: {touching}")

    def axes(self):
        shown = """[...document.querySelectorAll('.view')].filter((v) =>
            v.offsetParent !== null).map((v) => v.className)"""
        for axis in ("epoch", "time", "step"):
            self.browser.value_of(
                f"document.querySelector('label[for=axis-{axis}]').click()")
            views = set(self.browser.value_of(shown))
            self.expect(views == {f"view by-{axis}"},
                        f"against {axis} it shows {sorted(views)}")
            self.widths()
            self.labels()

    def tooltip(self):
        box = self.browser.value_of("""(() => {
          const plot = [...document.querySelectorAll('.plot')].find((p) =>
            p.offsetParent !== null);
          plot.scrollIntoView({ block: 'center' });
          const b = plot.getBoundingClientRect();
          return [b.left + b.width / 2, b.top + b.height / 2]; })()""")
        # What scrolling hides, it hides before the next frame.
        self.browser.call("Runtime.evaluate", awaitPromise=True,
                          expression="new Promise((done) => "
                          "requestAnimationFrame(() => setTimeout(done, 50)))")
        self.browser.call("Input.dispatchMouseEvent", type="mouseMoved",
                          x=box[0], y=box[1])
        text = self.browser.value_of(
            "document.getElementById('tip').hidden ? '' : "
            "document.getElementById('tip').innerText")
        self.expect(text.startswith("step "), f"no tooltip but {text!r}")
        self.browser.call("Input.dispatchMouseEvent", type="mouseMoved",
                          x=1, y=1)
        self.expect(self.browser.value_of(
            "document.getElementById('tip').hidden"), "the tooltip stays")

    def background(self):
        red = self.browser.value_of(
            "getComputedStyle(document.body).backgroundColor"
            ".match(/\\d+/g).map(Number)")
        return sum(red)

    def silence(self):
        for event in self.browser.events:
            method = event.get("method")
            params = event.get("params", {})
            self.expect(method not in ("Runtime.exceptionThrown",
                                       "Runtime.consoleAPICalled",
                                       "Log.entryAdded"),
                        f"on the console: {json.dumps(params)[:300]}")
            if method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                own = self.page.resolve().as_uri()
                self.expect(url.startswith("data:") or url == own,
                            f"it asked for {url[:100]}")

    def picture(self, path):
        self.browser.value_of("scrollTo(0, 0)")
        size = self.browser.call("Page.getLayoutMetrics")["cssContentSize"]
        answer = self.browser.call(
            "Page.captureScreenshot", captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": size["width"],
                  "height": size["height"], "scale": 1})
        path.write_bytes(base64.b64decode(answer["data"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("ids", nargs="+")
    parser.add_argument("--pictures", type=pathlib.Path)
    options = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("there is no chromium")
    faults = []
    browser = Browser(program)
    try:
        browser.open_tab()
        for screen in SCREENS:
            light = {}
            for scheme in ("light", "dark"):
                look = Look(browser, options.page, screen, scheme)
                look.parts(options.ids)
                look.axes()
                look.tooltip()
                look.silence()
                light[scheme] = look.background()
                look.expect(scheme == "light" or light["dark"] < 200 < 600 <
                            light["light"], f"the background is {light}")
                faults += look.faults
                if options.pictures:
                    look.picture(options.pictures /
                                 f"{options.page.stem}-{screen}-{scheme}.png")
    finally:
        browser.close()
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
