"""Start Cohortium on a machine that has Python 3.11 or newer and nothing else.

    python3 run.py demo      the demonstration: five made-up sites, from extract to pooled report
    python3 run.py test      the tests (--all: also those that run whole demonstrations, half an hour and more)
    python3 run.py release NAME       one site: from its extract to a draft that two people look at and approve
    python3 run.py report             the coordinating team: pool whatever is in inbox/, and report
    python3 run.py cohortium …        any other command, for example: python3 run.py cohortium check NAME
    python3 run.py setup              only make the environment

The environment is made once, in .venv, from a lock file with hashes. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
LOCKS = {"run": ROOT / "requirements.lock", "test": ROOT / "requirements-test.lock"}
OLDEST = (3, 11)
LONG = ["tests/workflow/test_canary.py", "tests/workflow/test_demonstration.py", "tests/workflow/test_inbox.py",
        "tests/workflow/test_tenth.py", "tests/analyses/test_planted_truth.py", "tests/linkage/test_linkage_demonstration.py",
        "tests/regression/test_regression_rounds.py", "tests/onboarding/test_drafting.py",
        "tests/quality/test_quality_gate.py",
        "tests/analyses/test_reconciliation.py::test_what_a_site_releases_fits_together",
        "tests/benchmarks/test_benchmarks.py::test_one_command_measures_everything"]  # minutes each


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run the demonstration")
    demo.add_argument("--people", type=int, default=20_000, help="people at each made-up site (500 to 1,000,000); far fewer than "
                      "20,000 take longer: nearly every number is small and has to be protected")
    demo.add_argument("--cores", default="all", help="how many processors to use")
    test = commands.add_parser("test", help="run the tests")
    test.add_argument("--all", action="store_true", help="also the tests that run whole demonstrations")
    test.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to pytest")
    release = commands.add_parser("release", help="prepare, analyse and release one site")
    release.add_argument("site", help="name of the site, as in config/sites/NAME.yaml")
    report = commands.add_parser("report", help="pool whatever is in inbox/, and write the report")
    for command in (release, report):
        command.add_argument("--study", default="config/study.yaml", help="the protocol")
    any_command = commands.add_parser("cohortium", help="any command of Cohortium")
    any_command.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on")
    commands.add_parser("setup", help="only make the environment")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    try:
        make_environment("test" if chosen.command == "test" else "run")
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    match chosen.command:
        case "demo":
            return run_demo(chosen.people, chosen.cores)
        case "test":
            return run_tests(chosen.arguments, chosen.all)
        case "release":
            return run_release(chosen.site, chosen.study)
        case "report":
            return run_report(chosen.study)
        case "cohortium":
            command = [str(PYTHON), "-m", "shared_code.cli", *chosen.arguments]
            return subprocess.run(command, env=environment()).returncode
    print("The environment is ready in .venv.")
    return 0


class Stop(Exception):
    """Something a person must do first."""


def make_environment(kind: str) -> None:
    """Create .venv and install what the lock file lists; do nothing when that was done before."""
    if sys.version_info < OLDEST:
        raise Stop(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; this is {sys.version.split()[0]}.")
    lock = LOCKS[kind]
    stamps = {name: VENV / f"installed-{name}-{digest(path)}" for name, path in LOCKS.items()}
    if stamps[kind].exists() or stamps["test"].exists():
        return
    if not PYTHON.exists():
        print("Making the environment in .venv …", flush=True)
        make_venv()
    install(lock)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        raise Stop("Installing this checkout into .venv failed; the lines above say why.")
    for old in VENV.glob(f"installed-{kind}-*"):
        old.unlink()
    stamps[kind].touch()


def digest(path: Path) -> str:
    content = path.read_bytes().replace(b"\r\n", b"\n") + sys.version.encode()
    return hashlib.sha256(content).hexdigest()[:16]


def make_venv() -> None:
    """Create .venv; Debian keeps the part of Python that does this in a package of its own."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        apt = shutil.which("apt-get")
        if apt is None or os.geteuid() != 0:
            raise Stop("Python cannot make environments here. Install python3-venv, then run this again.") from None
        print("Installing python3-venv with apt-get …", flush=True)
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        for command in ([apt, "update", "-qq"], [apt, "install", "-y", "-qq", name]):
            if subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL).returncode:
                raise Stop(f"'{' '.join(command)}' failed. Install {name}, then run this again.") from None
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], stdin=subprocess.DEVNULL).returncode:
        raise Stop("Making .venv failed; the lines above say why.")


def install(lock: Path) -> None:
    """Install the lock file with pip, counting packages as they come."""
    total = len(re.findall(r"^[A-Za-z0-9][^ ]*==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--progress-bar", "off",
               "--disable-pip-version-check", "-r", str(lock)]  # fmt: skip
    said = []
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          encoding="utf-8", errors="replace") as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith(("Collecting ", "Requirement already")):
                seen += 1
                progress(f"Fetching packages: {min(seen, total)} of up to {total}")
            elif line.startswith("Installing collected"):
                progress("Installing them (about half a minute)")
    progress("", end=True)
    if process.returncode:
        print("".join(said[-15:]), file=sys.stderr)
        raise Stop("Installing the packages failed. Check the network and the lines above, then run this again.")


def progress(text: str, end: bool = False) -> None:
    """Show one line that is written over on a terminal, and only the milestones elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    elif text and text != progress.last and not text.startswith("Fetching"):  # type: ignore[attr-defined]
        print(text, flush=True)
    progress.last = text  # type: ignore[attr-defined]


progress.last = ""  # type: ignore[attr-defined]


def environment() -> dict[str, str]:
    """Give the environment of .venv, whatever the caller had active."""
    path = f"{PYTHON.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV), "PYTHONUTF8": "1"}


def run_workflow(targets: list[str], settings: list[str], cores: str = "all") -> tuple[int, str]:
    """Run Snakemake, one line per finished step; on failure show the message of the step that failed and no more.

    Gives the exit code and, in words, what was done.
    """
    started = time.monotonic()
    command = [str(PYTHON), "-m", "snakemake", "--cores", cores, *targets, "--config", *settings]
    log = ROOT / "private" / "run.log"
    log.parent.mkdir(exist_ok=True)
    message: dict[str, str] = {}
    said: list[str] = []
    done, latest = 0, ""
    with log.open("w", encoding="utf-8") as kept, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, encoding="utf-8",
        errors="replace", env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            said.append(line)
            if job := re.match(r"Job (\d+): (.*)", line):
                message[job[1]] = job[2]
            elif finished := re.match(r"Finished jobid: (\d+)", line):
                latest = message.get(finished[1], "")
            elif steps := re.match(r"(\d+) of (\d+) steps \(", line):
                done = int(steps[2])
                print(f"[{steps[1]:>3} of {steps[2]}] {latest}", flush=True)
    if process.returncode:
        text = "".join(said)
        failed = re.findall(r"^Logfile (.*):\n=+\n(.*?)\n=+$", text, re.MULTILINE | re.DOTALL)
        print("\n".join(what for _, what in failed) or text[-3000:], file=sys.stderr)
        print(f"\nIt stopped here. Everything that was said is in {log.relative_to(ROOT)}.", file=sys.stderr)
    return process.returncode, f"{done} steps in {time.monotonic() - started:.0f} s" if done else "everything was up to date"


def run_demo(people: int, cores: str) -> int:
    """Run the demonstration and say what was made."""
    failed, done = run_workflow([], [f"people={people}"], cores)
    if not failed:
        report = ROOT / "public" / "demonstration" / "report" / "index.html"
        print(f"Done ({done}): five made-up sites ran the analyses their data allow, and their pooled report is\n"
              f"  {report.relative_to(ROOT)}  (open it in a browser; made by {renderer_of(report)}).")  # fmt: skip
    return failed


def run_release(site: str, study: str) -> int:
    """Run one site as far as its package and its page, and say where they are."""
    failed, done = run_workflow(["release", "review"], [f"site={site}", f"study={study}"])
    if not failed:
        drafts = sorted((ROOT / "private" / site).glob(f"*/release/{site}.zip"), key=lambda path: path.stat().st_mtime)
        name = drafts[-1].parts[-3]
        other = "" if study == "config/study.yaml" else f" --study {study}"
        print(f"Done ({done}). Nothing has been sent, and no program will send it.\n"
              f"  Look:     private/{site}/{name}/review.html shows what would leave.\n"
              f"  Approve:  python3 run.py cohortium approve {site} --by ANALYST --reason '…'{other}\n"
              f"            python3 run.py cohortium approve {site} --by REVIEWER --reason '…'{other}   (another person)\n"
              f"  Send:     python3 run.py cohortium send {site}{other}   writes the package to outbox/{name}/\n"
              f"  Carry it: docs/site.md, section 3, says how.")  # fmt: skip
    return failed


def run_report(study: str) -> int:
    """Pool what is in the inbox and say where the report is."""
    failed, done = run_workflow(["report"], ["demo=no", f"study={study}"])
    if not failed:
        report = max((ROOT / "public").glob("*/report/index.html"), key=lambda path: path.stat().st_mtime)
        print(f"Done ({done}). The report is {report.relative_to(ROOT)} (made by {renderer_of(report)}).")
    return failed


def renderer_of(report: Path) -> str:
    """Read which renderer made a page."""
    found = re.search(r'<meta name="generator" content="([^"]*)"', report.read_text(encoding="utf-8"))
    return found[1] if found else "Quarto"


def run_tests(arguments: list[str], everything: bool) -> int:
    """Check the style, then run the tests; `everything`: also those that run whole demonstrations (LONG)."""
    chosen = [a for a in arguments if a != "--"]
    long = [] if everything else [f"--{'deselect' if '::' in path else 'ignore'}={path}" for path in LONG]
    if not chosen:
        if subprocess.run([str(PYTHON), "-m", "ruff", "check", "--quiet", "."], env=environment()).returncode:
            print("The style check failed; the lines above say where.", file=sys.stderr)
            return 1
        chosen = ["-n", "2", "--dist", "loadscope", *long]
    return subprocess.run([str(PYTHON), "-m", "pytest", "-q", *chosen], env=environment()).returncode


if __name__ == "__main__":
    sys.exit(main())
