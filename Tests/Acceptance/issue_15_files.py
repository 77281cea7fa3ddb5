"""Issue 15, parts 3 and 5: nothing of the user's is lost, and what is said is true: `file_rows`."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from safetensors.numpy import load_file, save_file

from harness import ROOT, SHARED, TOOL, Table, run

FAULTS = SHARED / "faults"
SAMPLE = ROOT / "Adapters/sample-editor"


def said(result):
    """The message alone, or what was printed."""
    return (result.err.strip().splitlines() or [result.out.strip()])[-1].removeprefix("isa-patch: ")


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


def model(path, nodes, inputs, outputs, initializers=(), **external):
    values = lambda list_: [helper.make_tensor_value_info(*value) for value in list_]
    graph = helper.make_graph(nodes, "g", values(inputs), values(outputs), list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(made, str(path), **external)


def weighted(folder, name="weights"):
    """A model with its weights in a file of its own."""
    weights = onnx.numpy_helper.from_array(np.ones((64, 64), np.float32), "embed.weight")
    model(folder / f"{name}.onnx", [helper.make_node("MatMul", ["x", "embed.weight"], ["y"])],
          [("x", TensorProto.FLOAT, ["n", 64])], [("y", TensorProto.FLOAT, ["n", 64])], [weights],
          save_as_external_data=True, location=f"{name}.bin", size_threshold=0)
    return folder / f"{name}.onnx"


# Outputs that are inputs

def pair_rows(table, folder):
    folder.mkdir()
    for name in ("editor.onnx", "striped-balls.mp4", "rolling-balls.mp4"):
        shutil.copy(SAMPLE / name, folder)
    shutil.copy(ROOT / "Adapters/in-context-editor.yaml", folder / "adapter.yaml")
    shutil.copy(ROOT / "Calibration/balanced.yaml", folder / "recipe.isa.json")
    run("patch", folder / "editor.onnx", "-o", folder / "patched.onnx", "--quiet")
    weighted(folder)
    np.savez(folder / "in.npz", a=np.zeros(3))
    save_file({"a": np.zeros(3)}, folder / "text.safetensors")
    (folder / "link.mp4").symlink_to("striped-balls.mp4")
    (folder / "chain.mp4").symlink_to(folder / "link.mp4")
    os.link(folder / "rolling-balls.mp4", folder / "second.mp4")
    os.link(folder / "editor.onnx", folder / "second.onnx")
    at = lambda *names: [str(folder / name) if "." in name and not name.startswith("-") else name for name in names]
    clip = ["--clip", "striped-balls.mp4"]
    clips = ["--clips", "striped-balls.mp4"]
    pairs = [
        ["patch", "editor.onnx", "-o", "editor.onnx"], ["patch", "editor.onnx", "-o", "second.onnx"],
        ["patch", "editor.onnx", "--profile", "recipe.isa.json", "-o", "recipe.isa.json"],
        ["patch", "editor.onnx", "--adapter", "adapter.yaml", "-o", "adapter.yaml"],
        ["patch", "weights.onnx", "-o", "weights.bin"], ["restore", "patched.onnx", "-o", "patched.onnx"],
        ["run", "editor.onnx", *clip, "-o", "striped-balls.mp4"], ["run", "editor.onnx", *clip, "-o", "link.mp4"],
        ["run", "editor.onnx", *clip, "-o", "chain.mp4"],
        ["run", "editor.onnx", "--clip", "link.mp4", "-o", "chain.mp4"],
        ["run", "editor.onnx", "--clip", "rolling-balls.mp4", "-o", "second.mp4"],
        ["run", "editor.onnx", "--inputs", "in.npz", "-o", "in.npz"],
        ["run", "editor.onnx", *clip, "--text", "text.safetensors", "-o", "text.safetensors"],
        ["run", "weights.onnx", "--inputs", "in.npz", "-o", "in.npz"],
        ["compare", "editor.onnx", "patched.onnx", *clips, "--sheet", "striped-balls.mp4"],
        ["compare", "editor.onnx", "patched.onnx", *clips, "--sheet", "link.mp4"],
        ["compare", "editor.onnx", "patched.onnx", *clips, "--sheet", "second.onnx"],
        ["compare", "editor.onnx", "patched.onnx", *clips, "--sheet", "patched.onnx"],
        ["calibrate", "editor.onnx", *clips, "-o", "striped-balls.mp4"],
        ["calibrate", "editor.onnx", *clips, "-o", "second.onnx"],
        ["calibrate", "editor.onnx", *clips, "--hold-out", "rolling-balls.mp4", "-o", "second.mp4"],
        ["calibrate", "editor.onnx", *clips, "--recipe", "recipe.isa.json", "-o", "recipe.isa.onnx"],
        ["calibrate", "editor.onnx", *clips, "--recipe", "recipe.isa.json", "-o", "recipe.isa.json"],
        ["calibrate", "solve", "editor.onnx", "recipe.isa.json", "-o", "recipe.isa.onnx"],
    ]
    before = hashes(folder)
    refused = 0
    for pair in pairs:
        result = run(*at(*pair), check=False)
        refused += result.code == 64 and len(result.err.strip().splitlines()) == 1
        print(f"    {' '.join(pair)}: exit {result.code}. {said(result)}", file=sys.stderr)
    unchanged = hashes(folder) == before
    table.row("pairs of output = input", f"all {len(pairs)} refused, hashes unchanged",
              f"{refused} refused, hashes {'unchanged' if unchanged else 'CHANGED'}",
              refused == len(pairs) and unchanged)


# Arrays

def array_rows(table, folder):
    folder.mkdir()
    path = FAULTS / "multib.onnx"
    rng = np.random.default_rng(0)
    a = rng.standard_normal((5, 4)).astype(np.float16)
    feed = dict(a=a, b=np.arange(5), c=np.float32(2.5), d=np.arange(5) % 2 == 0)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    y, z = session.run(["y", "z"], {**feed, "c": np.array(2.5, np.float32)})
    h = a.astype(np.float32).astype(ml_dtypes.bfloat16)
    np.savez(folder / "plain.npz", **feed)
    np.savez(folder / "fortran.npz", **{**feed, "a": np.asfortranarray(a)})
    np.savez(folder / "big.npz", **{**feed, "a": a.astype(">f2"), "b": feed["b"].astype(">i8")})
    np.savez(folder / "wide.npz", **{**feed, "a": a.astype(np.float32), "b": feed["b"].astype(np.int32)})
    save_file({**feed, "c": np.array(2.5, np.float32)}, folder / "plain.safetensors")

    def values(name):
        if name.endswith(".safetensors"):
            return load_file(folder / name)
        found = dict(np.load(folder / name))
        return {k: v.view(ml_dtypes.bfloat16) if v.dtype.kind == "V" else v for k, v in found.items()}

    for name, output, options in [("plain.npz", "o.npz", []), ("fortran.npz", "o.npz", []), ("big.npz", "o.npz", []),
                                  ("wide.npz", "o.npz", []), ("plain.safetensors", "o.safetensors", []),
                                  ("plain.npz", "o.safetensors", []), ("plain.npz", "float.npz", ["--float32"])]:
        result = run("run", path, "--inputs", folder / name, "-o", folder / output, *options, check=False)
        got = values(output) if result.code == 0 else {}
        kind = np.float32 if options else ml_dtypes.bfloat16
        good = bool(got) and got["h"].dtype == kind \
            and np.array_equal(got["h"].astype(np.float32), h.astype(np.float32)) \
            and np.allclose(got["y"], y, rtol=1e-6) and np.array_equal(got["z"], z)
        table.row(f"multib.onnx, {name} to {output} {' '.join(options)}".strip(), "ONNX Runtime's numbers",
                  f"exit {result.code}, h {got['h'].dtype if got else '–'}, equal" if good else said(result), good)

    identity = folder / "identity.onnx"
    model(identity, [helper.make_node("Identity", ["x"], ["y"])], [("x", TensorProto.BFLOAT16, ["n", "m"])],
          [("y", TensorProto.BFLOAT16, ["n", "m"])])
    numbers = rng.standard_normal((3, 4)).astype(ml_dtypes.bfloat16)
    np.savez(folder / "V2.npz", x=numbers)
    np.savez(folder / "V2-fortran.npz", x=np.asfortranarray(numbers))
    np.savez(folder / "uint16.npz", x=numbers.view(np.uint16))
    np.savez(folder / "float32.npz", x=numbers.astype(np.float32))
    save_file({"x": numbers}, folder / "bf16.safetensors")
    for name, word in [("V2.npz", None), ("V2-fortran.npz", None), ("uint16.npz", "bits"), ("float32.npz", "converted"),
                       ("bf16.safetensors", None)]:
        result = run("run", identity, "--inputs", folder / name, "-o", folder / "i.npz", "--json", check=False)
        notes = result.document["notes"] if result.code == 0 else []
        noted = any(word in note for note in notes) if word else not any("Input" in note for note in notes)
        good = result.code == 0 and noted \
            and np.array_equal(values("i.npz")["y"].view(np.uint16), numbers.view(np.uint16))
        table.row(f"bfloat16 input from {name}", "the same bits" + (f", and a note ({word})" if word else ""),
                  "; ".join(notes[:1] if word else ["no note"]) if good else said(result), good)

    labels = folder / "labels.onnx"
    model(labels, [helper.make_node("Cast", ["x"], ["labels"], to=TensorProto.STRING)],
          [("x", TensorProto.FLOAT, ["n"])], [("labels", TensorProto.STRING, ["n"])])
    np.savez(folder / "x.npz", x=np.ones(2, np.float32))
    result = run("run", labels, "--inputs", folder / "x.npz", "-o", folder / "labels.npz", check=False)
    table.row("a result that no array file holds", "65 before the run", f"{result.code}: {said(result)}",
              result.code == 65 and "labels" in result.err and "nothing was run" in result.err)


# Weights in files of their own

def weight_rows(table, folder):
    folder.mkdir()
    path = weighted(folder)
    data = folder / "weights.bin"
    np.savez(folder / "x.npz", x=np.ones((1, 64), np.float32))
    commands = {"patch": ["patch", path, "-o", folder / "o.onnx"],
                "patch --external-data copy": ["patch", path, "--external-data", "copy", "-o", folder / "o.onnx"],
                "run": ["run", path, "--inputs", folder / "x.npz", "-o", folder / "o.npz"]}
    whole = data.read_bytes()
    for what, code in [("short", 65), ("missing", 66)]:
        data.unlink() if what == "missing" else data.write_bytes(whole[:-4])
        for name, command in commands.items():
            result = run(*command, check=False)
            good = result.code == code and "embed.weight" in result.err and "weights.bin" in result.err
            table.row(f"{name}, weights {what}", f"{code} with the tensor's name", f"{result.code}: {said(result)}",
                      good)
    table.row("what was left behind", "nothing", f"{sorted(p.name for p in folder.iterdir())}",
              sorted(p.name for p in folder.iterdir()) == ["weights.onnx", "x.npz"])


# Sentences

def cross_rows(table, folder):
    folder.mkdir()
    path = FAULTS / "x_cross.onnx"
    site, = run("inspect", path, "--json").document["sites"]
    table.row("x_cross.onnx, 4,096 × 4,096", "goes, by its cost", f"kind {site['kind']}, reason {site['reason']}",
              site["kind"] == "cross" and site["replaceable"] and not site["reason"])
    result = run("inspect", path, "--segments", "context=4096:4x32x32", "--json", check=False)
    segments = result.document["sites"][0]["segments"] if result.code == 0 else []
    table.row("x_cross.onnx, --segments context=4096:4x32x32", "taken over", f"{segments or said(result)}",
              [s["grid"] for s in segments] == [[4, 32, 32]])
    result = run("inspect", path, "--segments", "context=4097", check=False)
    table.row("x_cross.onnx, --segments context=4097", "65 with the length that is due",
              f"{result.code}: {said(result)}", result.code == 65 and "4096" in result.err)
    out = folder / "o.onnx"
    run("patch", path, "--segments", "context=4096:4x32x32", "-o", out, "--only", "*")
    rng = np.random.default_rng(1)
    feed = {name: rng.standard_normal((1, 4096, 32)).astype(np.float32) for name in "xr"}
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(ROOT / ".build/release/libisa_ops.so"))
    expected = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed)[0]
    got = ort.InferenceSession(str(out), options, providers=["CPUExecutionProvider"]).run(None, feed)[0]
    error = float(np.abs(got - expected).max() / np.abs(expected).max())
    table.row("x_cross.onnx patched with segments", "≤ 1e-5", f"{error:.1e}", error <= 1e-5)


def sentence_rows(table, folder):
    folder.mkdir()
    for name in ("editor.onnx", "striped-balls.mp4"):
        shutil.copy(SAMPLE / name, folder)
    editor, clip = folder / "editor.onnx", folder / "striped-balls.mp4"
    patched = folder / "patched.onnx"
    run("patch", editor, "-o", patched, "--quiet")

    def sentence(what, code, words, *command, without=()):
        result = run(*command, check=False)
        good = result.code == code and all(w in result.err for w in words) \
            and not any(w in result.err for w in without) and len(result.err.strip().splitlines()) == 1
        table.row(what, f"{code}, one line with {', '.join(words)}", f"{result.code}: {said(result)}", good)

    calibrate = ["calibrate", editor, "--clips", clip, "--edit", "mirror"]
    sentence("calibrating a patched model", 65, ["patched already"], "calibrate", patched, "--clips", clip)
    stranger = onnx.load(str(editor))
    for value in stranger.graph.input:
        value.name = "number" if value.name == "edit" else value.name
    for node in stranger.graph.node:
        node.input[:] = ["number" if name == "edit" else name for name in node.input]
    onnx.save(stranger, str(folder / "stranger.onnx"))
    sentence("no adapter, calibrate", 78, ["--adapter"], "calibrate", folder / "stranger.onnx", "--clips", clip,
             without=["--inputs"])
    sentence("no adapter, compare", 78, ["--adapter"], "compare", folder / "stranger.onnx", folder / "stranger.onnx",
             "--clips", clip, without=["--inputs"])
    sentence("no adapter, run", 78, ["--adapter", "--inputs"], "run", folder / "stranger.onnx", "--clip", clip, "-o",
             folder / "o.mp4")
    for option, value, words in [("--target-density", "90", ["0.9"]), ("--target-density", "0", ["share"]),
                                 ("--target-psnr", "-5", ["-5", "dB"]), ("--max-error", "-1", ["-1"]),
                                 ("--target-speedup", "-2", ["-2"])]:
        sentence(f"{option} {value}", 64, [option, *words], *calibrate, option, value, without=["Missing value"])

    run(*calibrate, "--steps", 1, "--frames", 4, "--size", "96x80", "-o", folder / "c.isa.onnx", "--quiet")
    profile = json.loads((folder / "c.isa.json").read_text())
    segments = profile["sites"][0]["segments"]
    table.row("the profile's grids", "4x10x12 twice, with their fill", json.dumps(segments),
              [s["grid"] for s in segments] == [[4, 10, 12]] * 2 and all(0 < s["fill"] <= 1 for s in segments))
    sentence("statistics as a profile", 78, ["c.isa.stats", "statistics", "not a profile"], "patch", editor,
             "--profile", folder / "c.isa.stats", "-o", folder / "o.onnx")

    def wrong(what, words, change):
        damaged = json.loads(json.dumps(profile))
        change(damaged)
        (folder / "wrong.json").write_text(json.dumps(damaged))
        sentence(what, 65, ["wrong.json", *words], "patch", editor, "--profile", folder / "wrong.json", "-o",
                 folder / "o.onnx")

    def keep_seven(p):
        # The point that attends exactly has no such number.
        run_ = next(r for runs in p["sites"][0]["points"] for r in runs if r["policy"]["mode"] == "sparse")
        run_["policy"]["context_keep"] = 7
    wrong("a profile with context_keep 7", ["blocks.0", "context_keep is 7"], keep_seven)
    wrong("a profile with a site twice", ["blocks.0", "twice"], lambda p: p["sites"].append(p["sites"][0]))
    wrong("a profile with a quality missing", ["blocks.0", "qualit"], lambda p: p["qualities"].pop())

    clip_rows(table, folder, editor, clip, sentence)


def clip_rows(table, folder, editor, clip, sentence):
    def ffmpeg(*arguments):
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)

    def facts(path):
        out = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries",
             "stream=codec_name,width,height,sample_aspect_ratio,avg_frame_rate", "-of", "json", str(path)],
            check=True, capture_output=True, text=True).stdout
        return json.loads(out)["streams"][0]

    once = ["--edit", "mirror", "--steps", 1]
    for ending in ("png", "jpg", "webp", "bmp", "tiff"):
        picture, out = folder / f"picture.{ending}", folder / f"edited-{ending}.png"
        ffmpeg("-i", clip, "-frames:v", 1, "-update", 1, picture)
        result = run("run", editor, "--clip", picture, *once, "-o", out, check=False)
        good = result.code == 0 and facts(out)["codec_name"] == "png"
        table.row(f"a picture, {ending}", "edited, and written as a picture",
                  facts(out)["codec_name"] if good else said(result), good)
    result = run("run", editor, "--clip", folder / "picture.jpg", *once, "-o", folder / "edited.jpg", check=False)
    good = result.code == 0 and facts(folder / "edited.jpg")["codec_name"] == "mjpeg"
    table.row("a picture to .jpg", "JPEG", "JPEG" if good else said(result), good)
    sentence("a picture where a clip is asked for", 65, ["is a picture", "--frames 1"], "run", editor, "--clip",
             folder / "picture.png", *once, "--frames", 8, "-o", folder / "o.mp4")
    sentence("a clip to .png", 64, ["one frame", "--frames 1"], "run", editor, "--clip", clip, *once, "-o",
             folder / "o.png")

    wide, out = folder / "wide.mp4", folder / "wide-out.mp4"
    ffmpeg("-i", clip, "-frames:v", 8, "-vf", "setsar=2/1", "-c:v", "libx264", wide)
    result = run("run", editor, "--clip", wide, *once, "-o", out, check=False)
    aspect = facts(out)["sample_aspect_ratio"] if result.code == 0 else said(result)
    table.row("a clip of pixels twice as wide as high", "2:1", aspect, aspect == "2:1")
    uneven, out = folder / "uneven.mp4", folder / "uneven-out.mp4"
    # The second half three times as slow.
    ffmpeg("-i", clip, "-frames:v", 8, "-vf", "setpts='if(lt(N,4),N,4+(N-4)*3)*0.1/TB'", "-vsync", "vfr",
           "-c:v", "libx264", uneven)
    times = sorted(float(line.strip(",")) for line in subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0",
         uneven],
        check=True, capture_output=True, text=True).stdout.split())
    mean = (len(times) - 1) / (times[-1] - times[0])
    result = run("run", editor, "--clip", uneven, *once, "-o", out, check=False)
    note = next((line for line in result.err.splitlines() if "variable frame rate" in line), "no note")
    n, d = map(int, facts(out)["avg_frame_rate"].split("/")) if result.code == 0 else (0, 1)
    table.row("a clip of a variable frame rate", f"a note, and the mean rate of {mean:.3f}", f"{n / d:.3f}; {note}",
              abs(n / d - mean) < 0.01 and "variable" in note)


def file_rows(table, folder):
    """Adds the rows of parts 3 and 5, made in a folder."""
    folder = Path(folder)
    # Whatever this machine's speed, sites are replaced.
    os.environ["ISA_COST_MODEL"] = str(ROOT / "Tests/Fixtures/cost/gains.json")
    os.environ.setdefault("ISA_ORT_LIBRARY", str(ROOT / ".deps/onnxruntime/lib"))
    for name, rows in [("pairs", pair_rows), ("arrays", array_rows), ("weights", weight_rows), ("cross", cross_rows),
                       ("sentences", sentence_rows)]:
        rows(table, folder / name)


if __name__ == "__main__":
    results = Table("Nothing of the user's is lost; true words")
    with tempfile.TemporaryDirectory() as work:
        file_rows(results, work)
    results.finish()
