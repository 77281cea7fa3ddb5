"""Every form of a mask, patched exactly, against the original in this Python's ONNX Runtime, for every content of it:

masks.py patch FOLDER ISA-PATCH writes and patches the models; masks.py compare FOLDER LIBRARY runs them;
masks.py portable FOLDER ISA-PATCH does both with bodies in standard operators.
"""
import collections
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "Fixtures"), str(Path(__file__).resolve().parent)]
import mask_forms  # noqa: E402
from form_models import session  # noqa: E402

FLAGS = ["--mode", "exact", "--min-tokens", "1", "--only", "*", "--json"]


def patch(folder, tool):
    """Writes the models, their patched selves and what was said of them; how many."""
    def one(item):
        number, form = item
        path = Path(folder) / f"{number}.onnx"
        path.write_bytes(form.model)
        done = subprocess.run([tool, "patch", path, "-o", path.with_suffix(".isa.onnx"), *FLAGS], capture_output=True)
        # 2: nothing was replaced.
        if done.returncode not in (0, 2):
            sys.exit(f"{form.name} ended with {done.returncode}: {done.stderr.decode()}")
        path.with_suffix(".json").write_bytes(done.stdout)
        if form.sparse and not form.kept:
            flags = ["--mode", "paper", *FLAGS[2:], "--dry-run"]
            done = subprocess.run([tool, "patch", path, *flags], capture_output=True)
            if any(not site["replaced"] for site in json.loads(done.stdout)["sites"]):
                sys.exit(f"{form.name} is kept from sparse policies: {done.stdout.decode()}")
    with ThreadPoolExecutor(2) as pool:
        return len(list(pool.map(one, enumerate(mask_forms.forms()))))


def difference(found, expected):
    """Relative, where the original has numbers; infinite where it has NaN and the other has not, or the reverse."""
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return np.inf
    numbers = ~np.isnan(expected)
    scale = np.linalg.norm(expected[numbers])
    error = np.linalg.norm(found[numbers] - expected[numbers])
    return error / scale if scale else error


def noise(original, feeds, expected):
    """How far the original is from itself with the last bit of its inputs changed, masks aside."""
    changed = {}
    for name, x in feeds.items():
        is_mask = name.startswith("m") or name == "bias"
        changed[name] = np.nextafter(x, x.dtype.type(9)) if x.dtype.kind == "f" and not is_mask else x
    return difference(original.run(None, changed)[0], expected)


@dataclass
class Outcome:
    equal: int = 0
    # Beyond the tolerance, but no farther than the original is from itself.
    noisy: int = 0
    # Forms that this ONNX Runtime does not run unpatched, or not twice alike.
    refused: int = 0
    kept: collections.Counter = field(default_factory=collections.Counter)
    wrong: list = field(default_factory=list)


def compare(folder, library):
    outcome = Outcome()
    for number, form in enumerate(mask_forms.forms()):
        try:
            compare_form(Path(folder) / f"{number}.onnx", form, library, outcome)
        except Exception as failure:
            outcome.wrong.append(f"{form.name}: {str(failure)[:200]}")
    return outcome


def compare_form(path, form, library, outcome):
    sites = json.loads(path.with_suffix(".json").read_text())["sites"]
    reasons = [s["reason"] for s in sites if not s["replaced"]]
    if not sites or bool(reasons) != bool(form.kept) or any(form.kept not in r for r in reasons):
        return outcome.wrong.append(f"{form.name}: {reasons or 'replaced' if sites else 'no site'}")
    if reasons:
        outcome.kept[reasons[0]] += 1
        return
    contents = [(content, mask_forms.feeds(form, content)) for content in mask_forms.CONTENTS]
    try:
        original = session(path)
        outputs, again = ([original.run(None, x)[0].copy() for _, x in contents] for _ in range(2))
    except Exception:
        # Opsets and operators that this version does not have yet.
        outcome.refused += 1
        return
    # In 1.17 a Where may overwrite its own constants.
    if int(ort.__version__.split(".")[1]) < form.since or any(difference(a, b) for a, b in zip(again, outputs)):
        outcome.refused += 1
        return
    patched = session(path.with_suffix(".isa.onnx"), library)
    for (content, feeds), expected in zip(contents, outputs):
        error = difference(patched.run(None, feeds)[0], expected)
        if error <= form.tolerance:
            outcome.equal += 1
        elif error <= (own := noise(original, feeds, expected)):
            outcome.noisy += 1
        else:
            outcome.wrong.append(f"{form.name}, {content}: {error:.1e}, by its own noise {own:.1e}")


# The body in standard operators rounds sums of its own, which rows without keys show.
BODY_TOLERANCE = 2e-3


def portable(folder, tool):
    """Every ninth form with the body in standard operators, without the library; how many cases agree."""
    equal, wrong = 0, []
    for number, form in enumerate(mask_forms.forms()):
        if number % 9 or form.kept or form.opset < 15:
            continue
        path = Path(folder) / f"{number}.onnx"
        path.write_bytes(form.model)
        out = path.with_suffix(".portable.onnx")
        subprocess.run([tool, "patch", path, "-o", out, "--portable", *FLAGS], check=True, capture_output=True)
        contents = [mask_forms.feeds(form, content) for content in mask_forms.CONTENTS]
        try:
            original = session(path)
            outputs = [original.run(None, x)[0] for x in contents]
        except Exception:
            continue
        patched = session(out)
        for feeds, expected in zip(contents, outputs):
            error = difference(patched.run(None, feeds)[0], expected)
            if error <= BODY_TOLERANCE:
                equal += 1
            else:
                wrong.append(f"{form.name}: {error:.1e}")
    return equal, wrong


if __name__ == "__main__":
    if sys.argv[1] == "portable":
        equal, wrong = portable(*sys.argv[2:])
        print(f"{equal} masked cases agree without the library")
        assert equal > 300, "hardly a case ran"
        sys.exit("\n".join(wrong) or None)
    if sys.argv[1] == "patch":
        print(f"{patch(*sys.argv[2:])} masked models patched")
    else:
        found = compare(*sys.argv[2:])
        print(f"ONNX Runtime {ort.__version__}: {found.equal} masked cases equal, {found.noisy} within the original's own "
              f"noise, {sum(found.kept.values())} forms kept, {found.refused} that it does not run unpatched")
        for reason, count in found.kept.items():
            print(f"  {count} kept: {reason}")
        assert found.equal > 5000, "hardly a case ran"
        sys.exit("\n".join([*found.wrong[:40], f"{len(found.wrong)} wrong"]) if found.wrong else None)
