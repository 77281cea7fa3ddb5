"""What the acceptance scripts share: running the tool, and a table whose failing rows fail the script."""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
BUILD = Path(os.environ.get("ISA_BUILD", ROOT / ".build/release"))
TOOL = BUILD / "isa-patch"
OPS = BUILD / "libisa_ops.so"
QUICK = os.environ.get("QUICK", "") not in ("", "0")


@dataclass
class Result:
    code: int
    out: str
    err: str
    seconds: float
    peak_mib: float

    @property
    def document(self):
        return json.loads(self.out)


def run(*arguments, check=True, timeout=3600, env=None, tool=TOOL):
    """Runs the tool; measures wall time and its own peak memory."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([str(tool), *map(str, arguments)], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                   env={**os.environ, **(env or {})})
        deadline = start + timeout
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.01)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        result = Result(process.returncode, out.read().decode(), err.read().decode(), seconds, usage.ru_maxrss / 1024)
    if check and result.code not in (0, 1):
        sys.exit(f"isa-patch {' '.join(map(str, arguments))} ended with {result.code}:\n{result.err}")
    return result


@dataclass
class Table:
    title: str
    rows: list = field(default_factory=list)

    def row(self, what, asked, got, good):
        self.rows.append((what, asked, got, "ok" if good else "SHORT"))
        print(f"  {'ok   ' if good else 'SHORT'} {what}: {got} (asked: {asked})", file=sys.stderr, flush=True)

    def finish(self):
        print(f"\n### {self.title}\n\n| what | asked | measured | |\n|---|---|---|---|")
        for what, asked, got, mark in self.rows:
            print(f"| {what} | {asked} | {got} | {mark} |")
        short = sum(mark != "ok" for *_, mark in self.rows)
        print(f"\n{len(self.rows) - short} passed, {short} failed")
        sys.exit(1 if short else 0)
