"""Issue 9: every export of ../shared/exports: sites found and told apart, replaced exactly, restored."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort

import synthetic
from harness import OPS, ROOT, SHARED, TOOL, Table, run

EXPORTS = SHARED / "exports"
PATCH = Path(os.environ.get("ISA_PATCH", TOOL))
OLDEST = "1.17.3"


def tensor(spec):
    """A recipe's input, as the folder's README defines the fills."""
    shape, kind = spec["shape"], spec["fill"]["kind"]
    fill, salt = spec["fill"], spec["salt"]
    count = int(np.prod(shape)) if shape else 1
    i = np.arange(count)
    if kind == "wave":
        x = np.sin(0.37 * i + 0.11 * salt) * fill.get("scale", 1.0)
    elif kind == "iota_mod":
        x = fill["low"] + (7 * i + salt) % (fill["high"] - fill["low"])
    elif kind == "const":
        x = np.full(count, fill["value"])
    elif kind == "prefix_mask":
        x = (i % shape[-1] < fill["keep"]).astype(np.float64)
    elif kind == "values":
        x = np.array(fill["values"])
    else:
        raise ValueError(kind)
    return x.reshape(shape).astype({"float": "float32"}.get(spec["dtype"], spec["dtype"]))


def session(path, patched):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    if patched:
        options.register_custom_ops_library(str(OPS))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def bindings(file, recipe):
    """Symbolic input lengths of a recipe."""
    import onnx
    values = {}
    for info in onnx.load(EXPORTS / file, load_external_data=False).graph.input:
        given = next((x for x in recipe["inputs"] if x["name"] == info.name), None)
        for k, dim in enumerate(info.type.tensor_type.shape.dim):
            if dim.dim_param and given:
                values[dim.dim_param] = given["shape"][k]
    return values


def length(value, values):
    if value is None or isinstance(value, int):
        return value
    try:
        return int(eval(value, {"__builtins__": {}, "Max": max, "Min": min}, dict(values)))
    except (NameError, SyntaxError):
        return None


def compare_sites(file, found, problems):
    """Sites of the manifest that are found with all that is to be known of them."""
    by_key = {(s["path"], s["output"]): s for s in found}
    right = 0
    for site in file["sites"]:
        got = by_key.pop((site["path"], site["output"]), None)
        if got is None:
            problems.append(f"{site['output']} is no site")
            continue
        right += 1
        for key, theirs in [("kind", "kind"), ("axis", "axis"), ("heads", "heads"), ("head_dim", "head_size")]:
            if got[theirs] != site[key]:
                problems.append(f"{site['output']}: {theirs} {got[theirs]}, not {site[key]}")
        for recipe, want in zip(file["recipes"], site["lengths"]):
            # A recipe that ONNX Runtime refuses while another runs has lengths that the exporter fixed otherwise.
            if not recipe["onnxruntime"]["runs"] and any(r["onnxruntime"]["runs"] for r in file["recipes"]):
                continue
            values = bindings(file["file"], recipe)
            pair = length(got["query_length"], values), length(got["key_length"], values)
            if pair != (want["q"], want["kv"]):
                problems.append(f"{site['output']}: lengths {pair}, not {want['q'], want['kv']}")
    traps = {(t.get("path", ""), t["output"]) for t in file["not_attention"]}
    for key in by_key:
        problems.append(f"{key[1]} is {'a trap' if key in traps else 'not in the manifest'}")
    return right


def compare_segments(file, found, problems):
    """Segments of in-context and joint sites: right, unsure, wrong."""
    by_key = {(s["path"], s["output"]): s for s in found}
    counts = [0, 0, 0]
    for site in file["sites"]:
        # Where the manifest's segments are another site's (a second attention over the image alone), lengths tell.
        total = sum(s.get("length") if isinstance(s.get("length"), int) else 0 for s in site.get("segments") or [])
        if not site.get("segments") or (total and total != site["lengths"][0]["q"]):
            continue
        got = by_key.get((site["path"], site["output"]))
        which = "query_segments" if site["kind"] == "cross" else "segments"
        parts = [(s["kind"], s["length"]) for s in got[which]] if got else []
        if not parts:
            counts[1] += 1
            problems.append(f"{site['output']}: segments not known")
            continue
        good = True
        for recipe, lengths in zip(file["recipes"], site["lengths"]):
            values = bindings(file["file"], recipe)
            want = [(s["role"], s["lengths"][recipe["name"]] if "lengths" in s
                     else lengths["q"] if s["length"] == "q_len" else s["length"]) for s in site["segments"]]
            good &= [(kind, length(n, values)) for kind, n in parts] == want
        counts[0 if good else 2] += 1
        if not good:
            problems.append(f"{site['output']}: segments {parts}, not {want}")
    return counts


def relative(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    scale = np.linalg.norm(b)
    return float(np.linalg.norm(a - b) / scale) if scale else float(np.linalg.norm(a))


def run_file(file, out, problems):
    """The largest relative error of any output of any recipe; None where the original does not run."""
    worst = None
    original, patched = session(EXPORTS / file["file"], False), session(out, True)
    for recipe in file["recipes"]:
        if not recipe["onnxruntime"]["runs"]:
            continue
        feed = {x["name"]: tensor(x) for x in recipe["inputs"]}
        for name, a, b in zip([o.name for o in original.get_outputs()], original.run(None, feed), patched.run(None, feed)):
            if a.dtype.kind != "f":
                continue
            error = relative(b, a)
            worst = error if worst is None else max(worst, error)
            if not np.isfinite(b).all() and np.isfinite(a).all():
                problems.append(f"{name} is not finite")
    return worst


def read_names(graph):
    """Values that something reads: nodes, those of bodies included, and the graph's outputs."""
    names = {o.name for o in graph.output}
    for node in graph.node:
        names.update(node.input)
        for attribute in node.attribute:
            for body in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                names |= read_names(body)
    return names


def unread(model):
    """Nodes and initializers that nothing reads."""
    names = read_names(model.graph)
    nodes = {n.output[0] for n in model.graph.node if not any(o in names for o in n.output)}
    return nodes | {t.name for t in model.graph.initializer if t.name not in names}


def compare_names(source, out, problems):
    """What a rewrite leaves: nothing of ours without a reader, every other node under its name."""
    import onnx
    original, patched = onnx.load(source), onnx.load(out)
    left = unread(patched) - unread(original)
    if left:
        problems.append(f"without a reader: {sorted(left)[:3]}")
    before = {tuple(n.output): (n.name, n.op_type) for n in original.graph.node}
    for node in patched.graph.node:
        known = before.get(tuple(node.output))
        ours = node.domain == "isa" or node.name.startswith("isa.")
        if not ours and known != (node.name, node.op_type):
            problems.append(f"{node.name} is renamed")
    inputs = [[v.name for v in m.graph.input] for m in (original, patched)]
    outputs = [[v.name for v in m.graph.output] for m in (original, patched)]
    if inputs[0] != inputs[1] or outputs[0] != outputs[1]:
        problems.append("inputs or outputs differ")


def load_in_oldest(pairs, table):
    """Loads every patched file whose original the oldest ONNX Runtime loads."""
    subprocess.run([ROOT / "Tests/Python/make-environment.sh", OLDEST], check=True)
    python = ROOT / f".deps/python/onnxruntime-{OLDEST}/bin/python"

    def loads(library, files):
        done = subprocess.run([python, Path(__file__).with_name("load_models.py"), library, *files],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    before = loads("", [str(a) for a, _ in pairs])
    counted = [(a, b) for a, b in pairs if before[str(a)] is None]
    after = loads(str(OPS), [str(b) for _, b in counted])
    failed = {Path(name).name: why for name, why in after.items() if why}
    table.row(f"loads in ONNX Runtime {OLDEST}", f"all of {len(counted)} whose original it loads",
              f"{len(counted) - len(failed)}" + "".join(f"; {n}: {why}" for n, why in failed.items()), not failed)


def measure_large(folder, table):
    """Time and memory on large graphs and on large weights, the best of three runs."""
    for blocks, limit in [(42, 0.15), (1042, 3)]:
        path = folder / f"blocks{blocks}.onnx"
        nodes = synthetic.transformer(path, blocks)
        seconds = min(run("inspect", path, "--json", tool=PATCH).seconds for _ in range(3))
        table.row(f"inspect a graph of {nodes} nodes", f"under {limit} s", f"{seconds:.2f} s", seconds < limit)
    path = folder / "large.onnx"
    synthetic.transformer(path, 40, external=40 << 30)
    done = run("patch", path, "--only", "*", "--json", tool=PATCH)
    table.row("patch 40 GiB of external weights", "under 5 s and 300 MB",
              f"{sum(s['replaced'] for s in done.document['sites'])} sites, {done.seconds:.2f} s, {done.peak_mib:.0f} MiB",
              done.code == 0 and done.seconds < 5 and done.peak_mib * 1.048576 < 300)
    plain = EXPORTS / "clip_text__ts17_dyn.onnx"
    out = folder / "plain.isa.onnx"
    done = run("patch", plain, "-o", out, "--json", check=False, tool=PATCH)
    same = out.exists() and out.read_bytes() == plain.read_bytes()
    table.row("nothing to replace", "the same bytes, exit code 2", f"{'the same' if same else 'other'} bytes, {done.code}",
              same and done.code == 2)


def main():
    manifest = json.loads((EXPORTS / "manifest.json").read_text())
    table = Table("Issue 9: real exports")
    totals = dict(sites=0, found=0, replaced=0, kept=0, files=0, ran=0, right=0, unsure=0, wrong=0)
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        for file in manifest["files"]:
            problems = []
            source = EXPORTS / file["file"]
            inspected = run("inspect", source, "--json", check=False, tool=PATCH)
            if inspected.code != 0:
                table.row(file["file"], "inspected", inspected.err.strip()[-200:], False)
                continue
            found = inspected.document["sites"]
            right = compare_sites(file, found, problems)
            segments = compare_segments(file, found, problems)
            out = Path(name) / file["file"]
            patched = run("patch", source, "-o", out, "--mode", "exact", "--min-tokens", "1", "--only", "*", "--json",
                          check=False, tool=PATCH)
            error, limit = None, 2e-3 if "float16" in file["dtype"] or "fp16" in file["file"] else 1e-5
            replaced, kept = 0, []
            if patched.code in (0, 2):
                for site in patched.document["sites"]:
                    replaced += site["replaced"]
                    if not site["replaced"]:
                        kept.append(site["reason"])
                runs = any(r["onnxruntime"]["runs"] for r in file["recipes"])
                try:
                    error = run_file(file, out, problems) if runs else None
                except Exception as failure:
                    problems.append(f"does not run: {str(failure)[:200]}")
                totals["files"] += runs
                totals["ran"] += error is not None and error <= limit
                back = Path(name) / "back.onnx"
                if patched.code == 0:
                    pairs.append((source, out))
                    compare_names(source, out, problems)
                    run("restore", out, "-o", back, check=False, tool=PATCH)
                    if not back.exists() or back.read_bytes() != source.read_bytes():
                        problems.append("not restored")
                    back.unlink(missing_ok=True)
                elif out.read_bytes() != source.read_bytes():
                    problems.append("nothing replaced, yet the file differs")
            else:
                problems.append(f"patch ended with {patched.code}: {patched.err.strip()[-200:]}")
            if error is not None and error > limit:
                problems.append(f"error {error:.1e}")
            totals["sites"] += len(file["sites"])
            totals["found"] += right
            totals["replaced"] += replaced
            totals["kept"] += len(kept)
            for key, count in zip(["right", "unsure", "wrong"], segments):
                totals[key] += count
            reasons = "; ".join(sorted(set(str(k) for k in kept)))
            measured = (f"{right} found, {replaced} replaced, "
                        f"{'error ' + format(error, '.1e') if error is not None else 'does not run'}")
            table.row(file["file"], f"{len(file['sites'])} sites",
                      measured + (f"; kept: {reasons}" if kept else "")
                      + (f"; PROBLEMS: {' | '.join(problems[:6])}" if problems else ""), not problems)
        load_in_oldest(pairs, table)
        measure_large(Path(name), table)
    table.row("sites", "135 found", f"{totals['found']} of {totals['sites']} found, {totals['replaced']} replaced, "
              f"{totals['kept']} kept", totals["found"] == totals["sites"])
    table.row("files that run and agree", "36", f"{totals['ran']} of {totals['files']}", totals["ran"] == totals["files"])
    table.row("segments", "all right, none wrong", f"{totals['right']} right, {totals['unsure']} unsure, "
              f"{totals['wrong']} wrong", totals["unsure"] == totals["wrong"] == 0)
    table.finish()


if __name__ == "__main__":
    main()
