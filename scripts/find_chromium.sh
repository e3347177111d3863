#!/bin/sh
# Print the Chromium that the browser tests drive: $CHROMIUM, the system's, or the one Playwright downloaded.
set -eu

if [ -n "${CHROMIUM:-}" ]; then
    command -v "$CHROMIUM" && exit 0
    echo "CHROMIUM=$CHROMIUM is not a program: point CHROMIUM at the browser's executable." >&2
    exit 1
fi

for candidate in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$candidate" && exit 0
done

venv_python="$(dirname "$0")/../.venv/bin/python"
downloaded=$("$venv_python" -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
' 2>/dev/null) || downloaded=""
if [ -x "$downloaded" ]; then
    echo "$downloaded"
    exit 0
fi

echo "Chromium was not found: install it (Debian: apt-get install -y chromium) or set CHROMIUM to its path." >&2
exit 1
