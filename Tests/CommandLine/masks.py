"""Every form of a mask, patched exactly, against the original in this Python's ONNX Runtime, for every content of it:
masks.py make FOLDER, then isa-patch on each, then masks.py compare FOLDER LIBRARY.
"""
import collections
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Fixtures"))
import mask_forms  # noqa: E402

from form_models import session  # noqa: E402


def file(folder, number):
    return Path(folder) / f"{number}.onnx"


def make(folder):
    """Writes the models; prints how many."""
    number = -1
    for number, form in enumerate(mask_forms.forms()):
        file(folder, number).write_bytes(form.model)
    return number + 1


def difference(found, expected):
    """Relative, where the original has numbers; infinite where it has NaN and the other has not, or the reverse."""
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return np.inf
    numbers = ~np.isnan(expected)
    scale = np.linalg.norm(expected[numbers])
    error = np.linalg.norm((found - expected)[numbers])
    return error / scale if scale else error


def noise(session, feeds, expected):
    """How far the original is from itself with the last bit of its floating-point inputs changed."""
    changed = {}
    for name, x in feeds.items():
        is_mask = name.startswith("m") or name == "bias"
        changed[name] = np.nextafter(x, x.dtype.type(9)) if x.dtype.kind == "f" and not is_mask else x
    return difference(session.run(None, changed)[0], expected)


def compare(folder, library):
    """Cases that are equal, kept sites by reason, and what is wrong."""
    minor = int(ort.__version__.split(".")[1])
    equal, noisy, kept, wrong, refused = 0, 0, collections.Counter(), [], 0
    for number, form in enumerate(mask_forms.forms()):
        report = json.loads((Path(folder) / f"{number}.json").read_text())
        reasons = [s["reason"] for s in report["sites"] if not s["replaced"]]
        if not report["sites"]:
            wrong.append(f"{form.name}: no site")
            continue
        if reasons:
            if form.kept and form.kept in reasons[0]:
                kept[reasons[0]] += 1
            else:
                wrong.append(f"{form.name}: {reasons[0]}")
            continue
        if form.kept:
            wrong.append(f"{form.name}: replaced, though {form.kept}")
        if minor < form.since:
            refused += 1
            continue
        try:
            original = session(file(folder, number))
        except Exception:
            # Opsets and operators that this version does not have yet.
            refused += 1
            continue
        try:
            patched = session(file(folder, f"{number}.isa"), library)
            for content in mask_forms.CONTENTS:
                feeds = mask_forms.feeds(form, content)
                try:
                    expected, = original.run(None, feeds)
                except Exception:
                    refused += 1
                    break
                found, = patched.run(None, feeds)
                error = difference(found, expected)
                if error <= form.tolerance:
                    equal += 1
                elif error <= (own := noise(original, feeds, expected)):
                    noisy += 1
                else:
                    wrong.append(f"{form.name}, {content}: {error:.1e}, by its own noise {own:.1e}")
        except Exception as failure:
            wrong.append(f"{form.name}: {str(failure)[:200]}")
    return equal, noisy, kept, wrong, refused


if __name__ == "__main__":
    if sys.argv[1] == "make":
        print(make(sys.argv[2]))
    else:
        equal, noisy, kept, wrong, refused = compare(*sys.argv[2:])
        print(f"ONNX Runtime {ort.__version__}: {equal} masked cases equal, {noisy} within the original's own "
              f"noise, {sum(kept.values())} forms kept, "
              f"{refused} that it does not run unpatched")
        for reason, count in kept.items():
            print(f"  {count} kept: {reason}")
        assert equal > 2000, "hardly a case ran"
        sys.exit("\n".join([*wrong[:60], f"{len(wrong)} wrong"]) if wrong else None)
