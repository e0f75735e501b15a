#!/usr/bin/env python3
"""look.py [--shots DIR] PAGE... [--expect EXPRESSION=VALUE... PAGE...] - render each page in
Chromium, at a desktop's width and a phone's, light and dark: no error in the console, no horizontal
scrolling, no picture missing, enough contrast; and each JavaScript EXPRESSION given before a page
has its VALUE (JSON). Prints TAP; screenshots go into DIR.

It speaks the DevTools protocol over a pipe, so that a phone's width is a phone's width:
Chromium's windows are 500 pixels wide at least.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WIDTHS = (("desk", 1280, 900), ("phone", 390, 844))
SCHEMES = ("light", "dark")

# What reaches beyond the right edge and is in no frame that scrolls by itself.
SIDEWAYS = """(() => {
  const wide = document.documentElement.clientWidth, scrolls = e => {
    for (e = e.parentElement; e && e !== document.body; e = e.parentElement)
      if (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX)) return true;
    return false; };
  const out = [...document.body.querySelectorAll("*")].filter(e => !e.closest("svg svg, svg > *") &&
    e.getBoundingClientRect().right > wide + 1 && !scrolls(e))
    .map(e => e.tagName + " " + Math.round(e.getBoundingClientRect().right) + ": " + e.textContent.trim().slice(0, 50));
  if (document.documentElement.scrollWidth > wide) out.unshift("the page: " + document.documentElement.scrollWidth);
  return out.slice(0, 5).join("; "); })()"""
MISSING = """[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src).join(" ")"""
# WCAG's ratio of contrast, of each element that has text of its own: 4.5 is its level AA.
PALE = """(() => {
  const rgb = s => (s.match(/[0-9.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const pale = [];
  for (const e of document.body.querySelectorAll("*")) {
    if (!e.getClientRects().length || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e), a = light(rgb(e instanceof SVGElement ? style.fill : style.color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(e.tagName + " " + ratio.toFixed(1) + ": " + e.textContent.trim().slice(0, 40));
  }
  return pale.slice(0, 5).join("; "); })()"""


class Browser:
    """One Chromium with one page, driven through descriptors 3 and 4."""

    def __init__(self, home):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            print("1..0 # SKIP there is no Chromium")
            sys.exit(0)
        to_read, self.to = os.pipe()
        self.frm, from_write = os.pipe()
        # its ends become 3 and 4, whatever they are here
        ends = [os.dup(to_read), os.dup(from_write)]
        while min(ends) < 5:
            ends = [os.dup(e) for e in ends]
        os.set_inheritable(ends[0], True)
        os.set_inheritable(ends[1], True)
        self.log = open(os.path.join(home, "chromium.log"), "w+")
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "sh", program, "--headless=new", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             f"--user-data-dir={home}/chromium", "--remote-debugging-pipe", "about:blank"],
            pass_fds=ends, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, "HOME": home})
        for fd in (to_read, from_write, *ends):
            os.close(fd)
        self.buffer, self.number, self.events, self.session = b"", 0, [], None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.frm, 1 << 20)
            if not more:
                self.log.seek(0)
                sys.exit("Bail out! Chromium has ended: " + self.log.read()[-2000:].replace("\n", " "))
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            m = self.message()
            if m.get("id") == self.number:
                if "error" in m:
                    raise RuntimeError(f"{method}: {m['error']['message']}")
                return m["result"]
            if "method" in m:
                self.events.append(m)

    def open(self, url):
        self.events = []
        self.call("Page.navigate", url=url)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            m = self.message()
            if "method" in m:
                self.events.append(m)

    def complaints(self):
        said = []
        for e in self.events:
            p = e["params"]
            if e["method"] == "Runtime.consoleAPICalled":
                said.append(f"console.{p['type']}: " + " ".join(str(a.get("value", "")) for a in p["args"]))
            elif e["method"] == "Runtime.exceptionThrown":
                d = p["exceptionDetails"]
                said.append(d["text"] + " " + d.get("exception", {}).get("description", ""))
            elif e["method"] == "Log.entryAdded":
                said.append(p["entry"]["text"])
            elif e["method"] == "Network.loadingFailed":
                said.append(p["errorText"])
        return "; ".join(said)

    def ask(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            return r["exceptionDetails"]["text"] + " " + r["result"].get("description", "")
        return r["result"].get("value")

    def shoot(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.call("Browser.close")
        self.process.wait()


tests = failed = 0


def check(good, what, why=""):
    global tests, failed
    tests += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {what}", flush=True)
    if not good:
        print("# " + str(why).replace("\n", "\n# "), flush=True)


def look(browser, page, expected, shots):
    browser.call("Network.setCacheDisabled", cacheDisabled=True)
    for kind, width, height in WIDTHS:
        for scheme in SCHEMES:
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                         deviceScaleFactor=1, mobile=kind == "phone")
            browser.call("Emulation.setEmulatedMedia",
                         features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.open(page.resolve().as_uri())
            faults = [("its console", browser.complaints()), ("sideways", browser.ask(SIDEWAYS)),
                      ("pictures missing", browser.ask(MISSING)), ("too pale", browser.ask(PALE))]
            for expression, value in expected:
                got = browser.ask(expression)
                if json.dumps(got) != value:
                    faults.append((expression, f"{json.dumps(got)}, not {value}"))
            if browser.ask("innerWidth") != width:
                faults.append(("its width", browser.ask("innerWidth")))
            bad = [f"{what}: {why}" for what, why in faults if why]
            check(not bad, f"{page.name} at {width} pixels, {scheme}", "\n".join(bad))
            if shots:
                browser.shoot(shots / f"{page.stem}-{kind}-{scheme}.png")


def main():
    shots, expected, pages = None, [], []
    words = iter(sys.argv[1:])
    for word in words:
        if word == "--shots":
            shots = pathlib.Path(next(words))
            shots.mkdir(parents=True, exist_ok=True)
        elif word == "--expect":
            expected.append(tuple(next(words).rsplit("=", 1)))
        else:
            pages.append((pathlib.Path(word), list(expected)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Browser(home)
        for page, wanted in pages:
            look(browser, page, wanted, shots)
        browser.close()
    print(f"1..{tests}")
    sys.exit(failed > 0)


main()
