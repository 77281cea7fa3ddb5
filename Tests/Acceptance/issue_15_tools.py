"""Issue 15, part 4: files that went through other tools, before they were patched and after, and the small models of
../shared/faults that part 4 names. Alone, after Tests/Python/make-environment.sh:
.deps/python/onnxruntime-1.31.1/bin/python Tests/Acceptance/issue_15_tools.py"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort

from harness import OPS, QUICK, ROOT, SHARED, Table, run
from issue_9 import EXPORTS, tensor

PYTHON = ROOT / ".deps/python"
TOOLS = ["onnxslim", "onnxsim", "ONNX Runtime basic", "ONNX Runtime extended", "transformer optimiser",
         "dynamic quantisation", "float16 (onnxconverter-common)", "float16 (onnxruntime)"]
ALL = ["--min-tokens", "1", "--only", "*"]
# Thresholds that float16 does not hold.
THRESHOLDS = [1e-6, 3.3e-5, 0.012345]


class Tools:
    """The tools, in a process of their own."""

    def __init__(self):
        subprocess.run([ROOT / "Tests/Python/make-environment.sh", "tools"], check=True)
        self.process = subprocess.Popen(
            [PYTHON / "onnxruntime-tools/bin/python", Path(__file__).with_name("apply_tools.py"), OPS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def apply(self, tool, model, output):
        """None, or why the tool wrote nothing."""
        self.process.stdin.write(json.dumps({"tool": tool, "model": str(model), "output": str(output)}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["error"]


def session(path, ours):
    # One thread: two models run at a time, and threads that wait for work would take it from the other.
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if ours:
        options.register_custom_ops_library(str(OPS))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(path, feeds, ours=True):
    """Floating-point outputs of every recipe that runs; an exception where the model does not load."""
    runner = session(path, ours)
    found = []
    for feed in feeds:
        found += [y.astype(np.float64) for y in runner.run(None, feed) if y.dtype.kind == "f"]
    return found


def distance(a, b):
    """The largest relative distance of two lists of arrays; elements that are not finite have to be the same."""
    worst = 0.0
    for x, y in zip(a, b):
        finite = np.isfinite(y)
        if x.shape != y.shape or not np.array_equal(np.isfinite(x), finite):
            return float("inf")
        norm = np.linalg.norm(y[finite])
        worst = max(worst, np.linalg.norm(x[finite] - y[finite]) / norm if norm else np.linalg.norm(x[finite]))
    return float(worst)


def close(found, expected, exact):
    """Equal within rounding; in lower precision, no farther from the exact outputs than twice the other."""
    return distance(found, expected) <= 1e-5 or distance(found, exact) <= 2 * distance(expected, exact) + 1e-5


def profile(model, sites, path):
    """A profile for the replaceable sites, with thresholds that float16 does not hold."""
    achieved = {"worst_psnr": 40, "executed_density": 0.1, "step_seconds": 1, "exact_step_seconds": 1, "cases": []}

    def points(heads):
        runs = []
        for head in range(heads):
            select = {"by": "threshold", "value": THRESHOLDS[head % len(THRESHOLDS)]}
            runs.append({"heads": 1, "policy": {
                "mode": "sparse", "context_keep": 1, "dropped_context": "average", "route": {"by": "share", "value": 0},
                "select": select, "floor": 0, "rank": "gap", "taylor": 0}})
        return [runs]

    path.write_text(json.dumps({
        "schema": "isa-patch/profile/1", "tool": "test", "machine": "test", "graph_hash": "",
        "model_hash": hashlib.sha256(model.read_bytes()).hexdigest(),
        "recipe": {"clips": [], "hold_out": [], "edits": [], "seeds": [], "steps": 1, "frames": 1, "width": 16,
                   "height": 16, "threads": 1, "compute": "float32"},
        "target": {"kind": "psnr", "value": 35, "met": True}, "achieved": achieved,
        "qualities": [{"point": 0, "threshold": 1e-6, "worst_psnr": 40, "executed_density": 0.1}],
        "sites": [{"name": s["name"], "heads": s["heads"], "block_q": 64, "block_k": 64, "compute": "float32",
                   "points": points(s["heads"])} for s in sites]}))


def policies(sites):
    """Of the replaced sites. Those in functions have other names where a tool wrote their calls out."""
    return sorted(json.dumps({**s["policies"], "name": ""}, sort_keys=True) for s in sites if s["replaced"])


class Corpus:
    """What was tried and what went wrong, over all models and tools."""

    def __init__(self, folder):
        self.folder = folder
        self.counts = {}
        self.problems = {}
        self.loadable = []
        # Tool → why it makes no model of an export that runs, with nothing of ours in it.
        self.beyond = {}

    def note(self, what, tool, good, problem=""):
        right, tried = self.counts.get((what, tool), (0, 0))
        self.counts[what, tool] = (right + bool(good), tried + 1)
        if not good:
            self.problems.setdefault((what, tool), []).append(problem)

    def model(self, tools, file):
        source = EXPORTS / file["file"]
        feeds = [{x["name"]: tensor(x) for x in r["inputs"]} for r in file["recipes"] if r["onnxruntime"]["runs"]]
        if not feeds:
            return
        stem = self.folder / source.stem
        exact = outputs(source, feeds, ours=False)
        patched = {}
        for mode in ("exact", "sparse"):
            out, options = Path(f"{stem}.{mode}.onnx"), ["--mode", "exact"]
            if mode == "sparse":
                sites = [s for s in run("inspect", source, "--json", *ALL).document["sites"]
                         if s["replaceable"] and s["mask"] in ("none", "keys")]
                if not sites:
                    continue
                profile(source, sites, Path(f"{stem}.json"))
                options = ["--profile", f"{stem}.json"]
            done = run("patch", source, "-o", out, *options, *ALL, "--json", check=False)
            if done.code == 0:
                patched[mode] = out, [s for s in done.document["sites"] if s["replaced"]]
            elif done.code != 2:
                self.note("patched", "itself", False, f"{source.name} {mode}: {done.err.strip()[-200:]}")
        for number, tool in enumerate(TOOLS):
            through = Path(f"{stem}.{number}.onnx")
            failure = tools.apply(tool, source, through)
            try:
                expected = None if failure else outputs(through, feeds)
            except Exception as refusal:
                failure = f"{source.name}: {str(refusal)[:200]}"
            if failure:
                self.beyond.setdefault(tool, []).append(failure)
                continue
            self.before(tool, source.name, through, feeds, expected, exact)
            for mode, (model, sites) in patched.items():
                self.after(tools, tool, f"{source.name} {mode}", model, sites, feeds, expected, exact)

    def before(self, tool, name, through, feeds, expected, exact):
        """Through a tool, then patched."""
        out, back = through.with_suffix(".isa.onnx"), through.with_suffix(".back.onnx")
        done = run("patch", through, "-o", out, *ALL, "--mode", "exact", check=False)
        if done.code not in (0, 2):
            return self.note("patched after", tool, False, f"{name}: {done.err.strip()[-200:]}")
        if done.code == 2:
            return
        try:
            found = outputs(out, feeds)
            good, why = close(found, expected, exact), f"{name}: {distance(found, expected):.1e}"
        except Exception as failure:
            good, why = False, f"{name}: {str(failure)[:300]}"
        self.note("patched after", tool, good, why)
        run("restore", out, "-o", back, check=False)
        self.note("restored", tool, back.exists() and back.read_bytes() == through.read_bytes(), name)
        self.loadable.append((through, out))

    def after(self, tools, tool, name, model, sites, feeds, expected, exact):
        """Patched, then through a tool."""
        out = model.with_suffix(".through.onnx")
        out.unlink(missing_ok=True)
        failure = tools.apply(tool, model, out)
        if failure:
            return self.note("patched before", tool, False, f"{name}: {failure}")
        try:
            found = outputs(out, feeds)
            good, why = close(found, expected, exact), f"{name}: {distance(found, expected):.1e}"
        except Exception as failure:
            good, why = False, f"{name}: {str(failure)[:300]}"
        self.note("patched before", tool, good, why)
        done = run("inspect", out, "--json", check=False)
        same = done.code == 0 and policies(done.document["sites"]) == policies(sites)
        self.note("inspected", tool, same, f"{name}: {done.err.strip()[-200:] or 'other policies'}")
        done = run("restore", out, "-o", out.with_suffix(".back.onnx"), check=False)
        # A tool that had nothing to do may leave the bytes.
        good = done.code == 65 and str(out) in done.err or out.read_bytes() == model.read_bytes()
        self.note("restore says so", tool, good, f"{name}: {done.code} {done.err.strip()[-200:]}")

    def loads(self, version):
        """How many files that were patched after a tool load where the tool's own file does."""
        subprocess.run([ROOT / "Tests/Python/make-environment.sh", version], check=True)
        python = PYTHON / f"onnxruntime-{version}/bin/python"

        def failures(files):
            done = subprocess.run([python, Path(__file__).with_name("load_models.py"), OPS, *map(str, files)],
                                  capture_output=True, text=True, check=True)
            return json.loads(done.stdout.splitlines()[-1])

        before = failures([a for a, _ in self.loadable])
        counted = [(a, b) for a, b in self.loadable if before[str(a)] is None]
        after = {Path(name).name: why for name, why in failures([b for _, b in counted]).items() if why}
        return len(counted), after


def corpus_rows(table, folder):
    manifest = json.loads((EXPORTS / "manifest.json").read_text())
    files = manifest["files"]
    if QUICK:
        files = [f for f in files if f["file"].split("__")[0] in (
            "minidit_chunk", "icwan_target_first", "hand_subgraphs_if_loop_scan", "sd3_fused")]
    corpus = Corpus(folder)
    workers = [Tools() for _ in range(2)]

    def work(number):
        for file in files[number::len(workers)]:
            corpus.model(workers[number], file)

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(work, range(len(workers))))
    for worker in workers:
        worker.process.stdin.close()
        worker.process.wait()
    asked = {"patched after": "the same outputs", "restored": "the tool's bytes", "patched before": "the same outputs",
             "inspected": "sites and policies as patched", "restore says so": "exit 65, the file named"}
    for what, want in asked.items():
        for tool in TOOLS:
            right, tried = corpus.counts.get((what, tool), (0, 0))
            problems = corpus.problems.get((what, tool), [])
            table.row(f"{tool}: {what}", want, f"{right} of {tried}" + "".join(f"; {p}" for p in problems[:4]),
                      tried > 0 and right == tried)
    for tool, reasons in corpus.beyond.items():
        print(f"  {tool} makes no model that runs of {len(reasons)} exports themselves: {reasons[0]}", file=sys.stderr)
    for problem in corpus.problems.get(("patched", "itself"), []):
        table.row("patched", "patched", problem, False)
    for version in ["1.32.0"] if QUICK else ["1.17.3", "1.22.1", "1.32.0"]:
        count, failed = corpus.loads(version)
        table.row(f"patched after a tool, loads in ONNX Runtime {version}", f"all of {count}",
                  f"{count - len(failed)}" + "".join(f"; {n}: {why}" for n, why in list(failed.items())[:4]),
                  not failed)
    right, tried = (sum(c[i] for c in corpus.counts.values()) for i in range(2))
    table.row("files through tools", "all right", f"{right} of {tried} checks on {len(files)} exports", right == tried)


# Small models of ../shared/faults: how many sites are replaced, or the reason that is true and its cure.
FAULTS = {
    "around_MatMulNBits": 1, "plain.ort": 1, "ort_saved_latte": 3, "jax_einsum_written_out": 1, "logsoftmax": 1,
    "late": 1, "unsafe": 1, "lightglue": 2, "ext_mochi.torchscript17-dynamic": 2,
    "qb_qop": ("products are quantised", "before it is quantised"),
    "att24_nonpad": ("nonpad_kv_seqlen", "boolean mask"),
    "att23_shortmask": ("5 columns for 7 keys", "as wide as the keys"),
    "att23_alldyn": ("told by a run alone", "make_dynamic_shape_fixed"),
}
LENGTHS = {"b": 2, "s": 9, "l": 11, "n": 24, "text": 5, "frames": 3, "height": 8, "width": 8}


def faults_rows(table, folder):
    random = np.random.default_rng(0)
    for name, want in FAULTS.items():
        source, out = SHARED / f"faults/{name}.onnx", folder / f"{name}.isa.onnx"
        done = run("patch", source, "-o", out, "--mode", "exact", *ALL, "--json", check=False)
        if done.code not in (0, 2):
            table.row(f"faults: {name}", "patched or kept", f"{done.code}: {done.err.strip()[-200:]}", False)
            continue
        sites = done.document["sites"]
        if isinstance(want, tuple):
            said = [f"{s['reason']} {s['hint']}" for s in sites]
            table.row(f"faults: {name}", "kept: " + "; ".join(want), "; ".join(said),
                      len(said) == 1 and all(part in said[0] for part in want))
            continue
        feed = {}
        original = session(source, False)
        for x in original.get_inputs():
            shape = [d if isinstance(d, int) else LENGTHS[d] for d in x.shape]
            feed[x.name] = np.ones(shape, bool) if "bool" in x.type else random.normal(size=shape).astype(np.float32)
        error = distance(outputs(out, [feed]), outputs(source, [feed], ours=False))
        replaced = sum(s["replaced"] for s in sites)
        table.row(f"faults: {name}", f"{want} sites, the same outputs", f"{replaced}, {error:.1e}",
                  replaced == len(sites) == want and error < 1e-5)


def tool_rows(table, folder):
    """Adds the rows of part 4; `folder` is for files that may go."""
    folder = Path(folder)
    faults_rows(table, folder)
    corpus_rows(table, folder)


if __name__ == "__main__":
    table = Table("Issue 15: files that went through other tools")
    with tempfile.TemporaryDirectory() as name:
        tool_rows(table, name)
    table.finish()
