"""Every fenced block of README.md marked `console` is a transcript: its `$ ` lines are run, in order, in a folder with the
sample editor's files, and what they print (stderr and stdout, in any order) has to be what stands there. Blocks marked
`python` are run too."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Adapters/sample-editor"
PYTHON = ROOT / ".deps/python/onnxruntime-1.31.1/bin/python"


def blocks(text):
    for match in re.finditer(r"^```(console|python)\n(.*?)^```", text, re.M | re.S):
        yield match[1], match[2]


def normal(lines):
    """Widths follow the terminal; stdout and stderr come apart."""
    lines = [re.sub(r"\s+", " ", line).strip() for line in lines]
    return sorted(re.sub(r"─+", "─", line) for line in lines if line)


def transcripts(body):
    for part in re.split(r"^(?=\$ )", body, flags=re.M):
        if part.startswith("$ "):
            command, *expected = part[2:].rstrip("\n").split("\n")
            yield command, expected


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as name:
        for file in ("editor.onnx", "striped-balls.mp4", "rolling-balls.mp4"):
            shutil.copy(SAMPLE / file, name)
        environment = {**os.environ, "PATH": f"{ROOT}/.build/release:{os.environ['PATH']}", "NO_COLOR": "1",
                       "ISA_ORT_LIBRARY": str(ROOT / ".deps/onnxruntime/lib"), "ISA_ADAPTERS": str(ROOT / "Adapters")}
        run = lambda *command: subprocess.run(command, cwd=name, env=environment, capture_output=True, text=True)
        for kind, body in blocks((ROOT / "README.md").read_text()):
            if kind == "python":
                checks = [("the Python snippet", run(
                    str(PYTHON), "-c", body.replace("libisa_ops.so", f"{ROOT}/.build/release/libisa_ops.so", 1)), None)]
            else:
                checks = [(f"$ {command}", run("bash", "-c", command), expected)
                          for command, expected in transcripts(body)]
            for what, result, expected in checks:
                got = (result.stdout + result.stderr).split("\n")
                good = result.returncode == 0 and (expected is None or normal(got) == normal(expected))
                print(f"{'ok    ' if good else 'FAILED'} {what}")
                if not good:
                    print("  in the README:", *(expected or []), "  printed now:", *got, sep="\n    ")
                passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
