"""A program that a machine lacks is named in one sentence, with the command that brings it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the shell scripts with some variables set."""
    command = [str(SCRIPTS / name), *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def write_program(path: Path, body: str) -> str:
    """Write an executable shell script and return its path."""
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_python_that_fits_is_printed() -> None:
    outcome = run_script("find_python.sh", PYTHON=sys.executable)

    assert outcome.stdout.strip() == sys.executable


def test_a_python_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    too_old = write_program(tmp_path / "python", "exit 1")

    outcome = run_script("preflight.sh", "install", PYTHON=too_old)

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert too_old in outcome.stderr
    assert "3.11" in outcome.stderr


def test_a_missing_venv_module_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    without_venv = write_program(
        tmp_path / "python", f'case "$*" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"'
    )

    outcome = run_script("preflight.sh", "install", PYTHON=without_venv)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert f"apt-get install -y python{version}-venv" in outcome.stderr


def test_a_chromium_that_is_named_is_taken(tmp_path: Path) -> None:
    named = write_program(tmp_path / "my-chromium", "exit 0")

    assert run_script("find_chromium.sh", CHROMIUM=named).stdout.strip() == named


def test_a_chromium_that_is_named_and_missing_is_refused(tmp_path: Path) -> None:
    outcome = run_script("preflight.sh", "browser", CHROMIUM=str(tmp_path / "absent"))

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert str(tmp_path / "absent") in outcome.stderr


def bare_machine(folder: Path, user_id: int) -> dict[str, str]:
    """The environment of a machine without Chromium, whose user has the given id."""
    folder.mkdir()
    for name in ("sh", "dirname", "chmod", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    write_program(folder / "id", f"echo {user_id}")
    return {"PATH": str(folder), "PLAYWRIGHT_BROWSERS_PATH": str(folder), "CHROMIUM": ""}


def test_root_gets_a_missing_chromium_from_apt(tmp_path: Path) -> None:
    machine = bare_machine(tmp_path / "bin", user_id=0)
    chromium = tmp_path / "bin" / "chromium"
    installs = f'case "$*" in *install*chromium*) echo "#!/bin/sh" > {chromium}; chmod +x {chromium} ;; esac'
    write_program(tmp_path / "bin" / "apt-get", installs)

    outcome = run_script("preflight.sh", "browser", **machine)

    assert outcome.returncode == 0, outcome.stderr
    assert run_script("find_chromium.sh", **machine).stdout.strip() == str(chromium)


def test_a_chromium_that_can_not_be_installed_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    machine = bare_machine(tmp_path / "bin", user_id=0)
    write_program(tmp_path / "bin" / "apt-get", "exit 100")

    outcome = run_script("preflight.sh", "browser", **machine)

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert "apt-get install -y chromium" in outcome.stderr


def test_a_timed_command_keeps_its_exit_status_and_prints_its_time() -> None:
    outcome = run_script("timed.sh", "failing", "sh", "-c", "exit 7")

    assert outcome.returncode == 7
    assert outcome.stdout.splitlines()[-1].startswith("== failing: ")
