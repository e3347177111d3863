#!/bin/sh
# Say in one sentence what this machine lacks and the command that brings it.
#
#   preflight.sh install    what making .venv needs: Python, its venv module, disk space
#   preflight.sh browser    what the browser tests need: Chromium, brought where the user may
set -eu

here=$(dirname "$0")
venv="$here/../.venv"
needed_mb=4000

fail() {
    echo "preflight: $1" >&2
    exit 1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

as_root() {
    if is_root; then echo "$1"; else echo "sudo $1"; fi
}

check_venv_module() {
    python=$("$here/find_python.sh")
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python lacks the venv module: bring it with '$(as_root "apt-get install -y python$version-venv")'."
}

check_disk() {
    free_mb=$(df -Pk "$here" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free_mb" -ge "$needed_mb" ] && return
    fail "$free_mb MB are free here and the environment needs $needed_mb MB (10000 MB with a CUDA build of torch): free some space."
}

bring_chromium() {
    "$here/find_chromium.sh" >/dev/null 2>&1 && return
    [ -z "${CHROMIUM:-}" ] || "$here/find_chromium.sh" >/dev/null
    echo "preflight: Chromium was not found, installing it for the browser tests"
    if is_root && command -v apt-get >/dev/null; then
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null || true
    else
        "$venv/bin/playwright" install chromium 2>/dev/null || true
    fi
    "$here/find_chromium.sh" >/dev/null 2>&1 && return
    fail "the browser tests need Chromium: bring it with '$(as_root "apt-get install -y chromium")' or set CHROMIUM to its path."
}

case "${1:-}" in
    install)
        check_venv_module
        check_disk
        ;;
    browser)
        bring_chromium
        ;;
    *)
        fail "usage: preflight.sh install | browser"
        ;;
esac
