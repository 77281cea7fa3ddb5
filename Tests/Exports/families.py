"""The exports of Tests/Fixtures/exports, one by one: what isa-patch finds against what the PyTorch model does, the
patched model against ONNX Runtime on the original and against PyTorch, the restored file against the original.

    families.py               checks them, and the README's table; prints what is wrong and fails
    families.py --markdown    prints the table
    families.py --update      puts it into the README
"""
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = ROOT / "Tests/Fixtures/exports"
TOOL = ROOT / ".build/release/isa-patch"
OPS = ROOT / ".build/release/libisa_ops.so"
README = ROOT / "README.md"
MARKERS = "<!-- families -->", "<!-- /families -->"

#: Relative L2: between original and patched, and between either and PyTorch, whose kernels sum in other orders.
SAME = {"float32": 1e-5, "float16": 2e-3}
AS_PYTORCH = {"float32": 1e-5, "float16": 1e-2}

#: What may differ: file: module and what. One that does not differ any more is an error.
FAIR = {
    # ONNX Runtime refuses `Attention` with a mask of one row; the patched model is held against PyTorch alone.
    "ltx.dynamo23-dynamic.onnx": {("", "original")},
    "hunyuan-video.dynamo23-dynamic.onnx": {("", "original")},
    # The text tokens are picked by the mask's values: what is left does not look like text.
    "framepack.dynamo20-dynamic.onnx": {("transformer.transformer_blocks.0.attn", "kind")},
}


@dataclass
class Outcome:
    """What one file gave. known: sites whose segments are known; kept: reasons."""

    line: dict
    found: int = 0
    known: int = 0
    replaced: int = 0
    kept: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def filled(given):
    """An example input, as Adapters/exporters/exporting.py defines the fills."""
    shape, kind, value = given["shape"], given["fill"], given["value"]
    index = np.arange(math.prod(shape), dtype=np.uint64)
    if kind == "noise":
        mixed = (index + np.uint64(given["salt"] * 1_000_003 + 1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        values = ((mixed >> np.uint64(40)).astype(np.float64) / 2**23 - 1) * 3**0.5
    else:
        values = {"constant": lambda: np.full(index.shape, value), "integers": lambda: index % np.uint64(value),
                  "prefix": lambda: index % np.uint64(shape[-1]) < shape[-1] - value}[kind]()
    return values.reshape(shape).astype(given["type"])


def tool(*arguments):
    """Exit code, JSON document (where there is one) and messages."""
    run = subprocess.run([str(TOOL), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return run.returncode, json.loads(run.stdout) if run.stdout.startswith("{") else None, run.stderr.strip()


def symbols(path, inputs):
    """Symbolic lengths of a file's inputs at these sizes."""
    values = {}
    for given in opened(path, False).get_inputs():
        shape = next(i["shape"] for i in inputs if i["name"] == given.name)
        values |= {name: n for name, n in zip(given.shape, shape) if isinstance(name, str)}
    return values


def number(length, values):
    """A length of the tool's documents, an integer or an expression over symbolic lengths."""
    if isinstance(length, int) or length is None:
        return length
    try:
        return int(eval(length, {"__builtins__": {}, "Max": max, "Min": min}, values))
    except (NameError, SyntaxError):
        return length


def joined(segments):
    """Neighbours of one kind as one."""
    result = []
    for kind, n in segments:
        if result and result[-1][0] == kind and isinstance(n, int):
            n += result.pop()[1]
        result.append((kind, n))
    return result


def compare(line, found, values):
    """Differences between the tool's sites and PyTorch's calls, which stand in the same order: (module, what, text)."""
    calls = line["sites"]
    if len(found) != len(calls):
        yield "", "count", f"{len(found)} sites, PyTorch makes {len(calls)} calls"
    for site, call in zip(found, calls):
        module = call["module"]
        if not site["name"].startswith(module):
            yield module, "name", f"is named {site['name']}"
        for key in ["kind", "axis", "heads", "head_size"]:
            if call[key] is not None and site[key] != call[key]:
                yield module, key, f"{site[key]}, not {call[key]}"
        for k, lengths in enumerate(values):
            for key in ["query", "key"]:
                ours = number(site[f"{key}_length"], lengths)
                if ours != call[key][k] and (isinstance(ours, int) or not call["by_value"]):
                    yield module, f"{key} length", f"{ours}, not {call[key][k]}"
            ours = joined([(s["kind"], number(s["length"], lengths)) for s in site["segments"] or []])
            theirs = [(kind, n[k]) for kind, n in call["segments"] or []]
            # Without segments a site is one target: right, and said. With another's it would be a wrong guess.
            if theirs and ours != theirs and (ours or any(kind == "context" for kind, _ in theirs)):
                yield module, "segments", f"{ours}, not {theirs}"


def opened(path, patched):
    """A session with graph optimisations, as users have it."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if patched:
        options.register_custom_ops_library(str(OPS))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(path, patched, inputs):
    """Outputs for each size."""
    session = opened(path, patched)
    names = {i.name for i in session.get_inputs()}
    return [session.run(None, {i["name"]: filled(i) for i in given if i["name"] in names})[0] for given in inputs]


def distance(a, b):
    if a.shape != b.shape:
        return math.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check(line, expected, folder):
    """One file through inspect, patch, ONNX Runtime and restore."""
    outcome, source = Outcome(line), EXPORTS / line["file"]
    patched, back = folder / line["file"], folder / "back.onnx"
    problem = outcome.problems.append
    code, document, messages = tool("inspect", source, "--json")
    if code or not document:
        problem(f"inspect ends with {code}: {messages}")
        return outcome
    found = document["sites"]
    outcome.found, outcome.known = len(found), sum(bool(s["segments"]) for s in found)
    differences = list(compare(line, found, [symbols(source, given) for given in line["inputs"]]))
    fair = FAIR.get(line["file"], set())
    outcome.problems += [f"{module}: {what} {text}" for module, what, text in differences if (module, what) not in fair]
    seen = {(module, what) for module, what, _ in differences} | {("", "original")}
    outcome.problems += [f"{module}: {what} is right, but excused" for module, what in fair - seen]
    code, document, messages = tool("patch", source, "-o", patched, "--mode", "exact", "--min-tokens", 1, "--only", "*",
                                    "--json")
    if code not in (0, 2) or not document:
        problem(f"patch ends with {code}: {messages}")
        return outcome
    for site in document["sites"]:
        outcome.replaced += site["replaced"]
        if not site["replaced"]:
            outcome.kept.append(site["reason"])
            if (site["name"], "kept") not in fair:
                problem(f"{site['name']} is kept: {site['reason']}")
    try:
        original = outputs(source, False, line["inputs"])
    except Exception as failure:
        original = [None] * len(line["inputs"])
        if ("", "original") not in fair:
            problem(f"the original does not run: {failure}")
    try:
        for k, (ours, theirs) in enumerate(zip(outputs(patched, True, line["inputs"]), original)):
            reference = expected[f"{Path(line['file']).stem}/{k}"]
            for what, other, limit in [("the original", theirs, SAME), ("PyTorch", reference, AS_PYTORCH)]:
                if other is not None and not distance(ours, other) <= limit[line["dtype"]]:
                    problem(f"size {k}: {distance(ours, other):.1e} from {what}")
    except Exception as failure:
        problem(f"the patched model does not run: {failure}")
    if code == 0:
        code, _, messages = tool("restore", patched, "-o", back)
        if code or back.read_bytes() != source.read_bytes():
            problem(f"is not restored: {messages}")
        back.unlink(missing_ok=True)
    elif patched.read_bytes() != source.read_bytes():
        problem("nothing is replaced, but the file differs")
    return outcome


def exporters(lines):
    """`dynamo 18, 20; torchscript 17`."""
    opsets = {}
    for line in lines:
        opsets.setdefault(line["exporter"], set()).add(line["opset"])
    return "; ".join(f"{name} {', '.join(map(str, sorted(numbers)))}" for name, numbers in opsets.items())


def table(outcomes):
    """The README's table: a row per family, over all of its files."""
    rows = ["| family | exporter and opset | lengths | attention | found | segments | replaced | kept |",
            "|---|---|---|---|---|---|---|---|"]
    families = {}
    for outcome in outcomes:
        families.setdefault(outcome.line["family"], []).append(outcome)
    for family, files in families.items():
        lines = [outcome.line for outcome in files]
        lengths = " and ".join(sorted({line["lengths"] for line in lines}, reverse=True))
        counts = [sum(len(line["sites"]) for line in lines), sum(o.found for o in files), sum(o.known for o in files),
                  sum(o.replaced for o in files)]
        kept = "; ".join(sorted({reason for outcome in files for reason in outcome.kept})) or "none"
        rows.append(f"| {family} | {exporters(lines)} | {lengths} | {' | '.join(map(str, counts))} | {kept} |")
    return "\n".join(rows)


def main():
    lines = json.loads((EXPORTS / "manifest.json").read_text())["files"]
    expected = np.load(EXPORTS / "expected.npz")
    with tempfile.TemporaryDirectory() as name:
        outcomes = [check(line, expected, Path(name)) for line in lines]
    markdown = table(outcomes)
    if "--markdown" in sys.argv:
        print(markdown)
        return
    before, _, rest = README.read_text().partition(MARKERS[0])
    current, _, after = rest.partition(MARKERS[1])
    if "--update" in sys.argv:
        README.write_text(f"{before}{MARKERS[0]}\n{markdown}\n{MARKERS[1]}{after}")
        return
    failed = 0
    for outcome in outcomes:
        for problem in outcome.problems:
            print(f"{outcome.line['file']}: {problem}")
        failed += bool(outcome.problems)
    if current.strip() != markdown:
        print("README.md: the table of families is out of date; run Tests/families --update")
        failed += 1
    print(f"exports: {len(outcomes)} files, {sum(o.found for o in outcomes)} sites, "
          f"{sum(o.replaced for o in outcomes)} replaced, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
