"""Measure the advance widths of the bundled font in Chromium and write dashboard/drawing/inter_widths.json.

Run it again only when dashboard/assets/fonts changes: `python scripts/measure_font.py [chromium]`.
"""

import json
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FONT = ROOT / "dashboard" / "assets" / "fonts" / "InterVariable.woff2"
TABLE = ROOT / "dashboard" / "drawing" / "inter_widths.json"
WEIGHTS = (400, 600)
# First and last code point of what Inter draws and texts are likely to hold.
RANGES = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x1E00, 0x1EFF),
    (0x2010, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20BF), (0x2100, 0x214F), (0x2190, 0x21FF),
    (0x2200, 0x22FF), (0x2300, 0x23CF), (0x2420, 0x2426), (0x25A0, 0x25FF),
)  # fmt: skip

# Every character a thousand times as wide as it is drawn at 1 px; figures are tabular, as on the page.
MEASURE = """async ([font, weight, first, last]) => {
  const face = new FontFace('Inter', `url(${font})`, {weight: '100 900'});
  document.fonts.add(await face.load());
  const box = document.createElement('div');
  box.style.cssText = `font: ${weight} 14px Inter; font-optical-sizing: none; white-space: pre;
    font-variant-numeric: tabular-nums; text-rendering: geometricPrecision; position: absolute`;
  document.body.appendChild(box);
  const spans = [];
  for (let code = first; code <= last; code++) {
    const span = document.createElement('span');
    span.style.display = 'inline-block';
    span.textContent = String.fromCodePoint(code);
    box.appendChild(span);
    spans.push(span);
  }
  const widths = spans.map((span) => Math.round(span.getBoundingClientRect().width * 1000 / 14));
  box.remove();
  return widths;
}"""


def measure(chromium: str) -> dict[str, dict[str, list[int]]]:
    """Weight -> first code point (hexadecimal) -> widths in thousandths of the font size."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(FONT.parent.as_uri())
        return {
            str(weight): {
                f"{first:04x}": page.evaluate(MEASURE, [FONT.as_uri(), weight, first, last]) for first, last in RANGES
            }
            for weight in WEIGHTS
        }


if __name__ == "__main__":
    table = measure(sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium")
    TABLE.write_text(json.dumps(table, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{TABLE.relative_to(ROOT)}: {TABLE.stat().st_size / 1000:.0f} kB")
