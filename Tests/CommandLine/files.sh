#!/usr/bin/env bash
# Nothing of the user's is lost: outputs that are inputs, weights that are missing, results that no file takes; and what
# is said of profiles, targets, pictures and clips.
set -uo pipefail
source "$(dirname "$0")/Support/checks.bash"
python=$root/.deps/python/onnxruntime-1.31.1/bin/python
"$root/Tests/Python/make-environment.sh" || exit 1

"$tool" editor.onnx -o patched.onnx --quiet >/dev/null || exit 1
cp "$root/Adapters/in-context-editor.yaml" adapter.yaml
cp "$root/Calibration/balanced.yaml" recipe.isa.json
cp "$sample/rolling-balls.mp4" held.mp4
ln -s striped-balls.mp4 link.mp4
ln held.mp4 hard.mp4
"$python" - <<'P'
import numpy as np, onnx
from onnx import TensorProto as T, helper as h
video = np.zeros((1, 3, 8, 128, 128), np.float32)
np.savez("in.npz", sample=video, source=video, timestep=np.ones(1, np.float32), edit=np.array([5]))
np.savez("bits.npz", x=np.array([0x3F80, 0xC020], np.uint16))

def save(name, nodes, inputs, outputs, initializers=(), **external):
    graph = h.make_graph(nodes, "g", inputs, outputs, list(initializers))
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, name, **external)

value = h.make_tensor_value_info
save("text.onnx", [h.make_node("Cast", ["x"], ["labels"], to=T.STRING)], [value("x", T.FLOAT, ["n"])],
     [value("labels", T.STRING, ["n"])])
save("bits.onnx", [h.make_node("Identity", ["x"], ["y"])], [value("x", T.BFLOAT16, ["n"])],
     [value("y", T.BFLOAT16, ["n"])])
np.savez("text.npz", x=np.ones(2, np.float32))
weights = [onnx.numpy_helper.from_array(np.ones((64, 64), np.float32), "embed.weight")]
save("weights.onnx", [h.make_node("MatMul", ["x", "embed.weight"], ["y"])], [value("x", T.FLOAT, ["n", 64])],
     [value("y", T.FLOAT, ["n", 64])], weights, save_as_external_data=True, location="weights.bin", size_threshold=0)
np.savez("weights.npz", x=np.ones((1, 64), np.float32))
P

# Outputs that are inputs. What each command reads is as it was.
before=$(sha256sum -- *)
edit="--edit mirror --steps 1 --quiet"
same() { local name=$1; shift; refused "output = input: $name" 64 "choose another output" "$tool" "$@"; }
same "patch, the model" editor.onnx -o editor.onnx
same "patch, the model by ." patch editor.onnx -o ./editor.onnx
same "patch, the profile" editor.onnx --profile recipe.isa.json -o recipe.isa.json
same "patch, the adapter" editor.onnx --adapter ./adapter.yaml -o adapter.yaml
same "patch, the weights" weights.onnx -o weights.bin
same "restore" restore patched.onnx -o patched.onnx
same "run, the clip" run editor.onnx --clip striped-balls.mp4 -o striped-balls.mp4 $edit
same "run, a link to the clip" run editor.onnx --clip striped-balls.mp4 -o link.mp4 $edit
same "run, the clip by a link" run editor.onnx --clip link.mp4 -o striped-balls.mp4 $edit
same "run, a second name of the clip" run editor.onnx --clip held.mp4 -o hard.mp4 $edit
same "run, the clip by its whole path" run editor.onnx --clip striped-balls.mp4 -o "$PWD/striped-balls.mp4" $edit
same "run, the arrays" run editor.onnx --inputs in.npz -o in.npz
same "run, the text" run editor.onnx --clip striped-balls.mp4 --text text.npz -o text.npz $edit
same "compare, a clip" compare editor.onnx patched.onnx --clips striped-balls.mp4 --sheet striped-balls.mp4 $edit
same "compare, the original" compare editor.onnx patched.onnx --clips striped-balls.mp4 --sheet editor.onnx $edit
same "compare, the patched" compare editor.onnx patched.onnx --clips striped-balls.mp4 --sheet patched.onnx $edit
same "calibrate, a clip" calibrate editor.onnx --clips striped-balls.mp4 -o striped-balls.mp4 $edit
same "calibrate, the model" calibrate editor.onnx --clips striped-balls.mp4 -o editor.onnx $edit
same "calibrate, the clip that is held out" \
  calibrate editor.onnx --clips striped-balls.mp4 --hold-out held.mp4 -o hard.mp4 $edit
same "calibrate, the profile over the recipe" \
  calibrate editor.onnx --clips striped-balls.mp4 --recipe recipe.isa.json -o recipe.isa.onnx $edit
same "calibrate, the recipe" \
  calibrate editor.onnx --clips striped-balls.mp4 --recipe recipe.isa.json -o recipe.isa.json $edit
same "solve, its statistics" calibrate solve editor.onnx recipe.isa.json -o recipe.isa.json
[ "$before" = "$(sha256sum -- *)" ] && unchanged=yes || unchanged=no
verdict "inputs are as they were" "$unchanged" "some are not"

# Weights in a file of their own
head -c 1000 weights.bin >short && mv short weights.bin
refused "weights that are cut off" 65 "'embed.weight'" "$tool" weights.onnx -o o.onnx
rm weights.bin
refused "no weights" 66 "'embed.weight'" "$tool" weights.onnx -o o.onnx
refused "no weights, elsewhere" 66 "weights.bin" "$tool" weights.onnx --external-data copy -o "$PWD/o.onnx"
refused "no weights for a run" 66 "'embed.weight'" "$tool" run weights.onnx --inputs weights.npz -o o.npz

# Results
refused "a result that no array holds" 65 "'labels'" "$tool" run text.onnx --inputs text.npz -o o.npz
refused "a clip as a picture" 64 "--frames 1" "$tool" run editor.onnx --clip striped-balls.mp4 $edit -o o.png
cat >ffmpeg <<'F'
#!/bin/sh
case "$*" in
  *encoder=libx264*) echo "Codec 'libx264' is not recognized by FFmpeg." ;;
  *) exec /usr/bin/ffmpeg "$@" ;;
esac
F
chmod +x ffmpeg
refused "an encoder that is missing" 69 "libx264" \
  env PATH="$PWD:$PATH" "$tool" run editor.onnx --clip striped-balls.mp4 $edit -o o.mp4
rm ffmpeg
"$tool" run bits.onnx --inputs bits.npz -o out.npz --json >out.json 2>notes.txt && "$python" -c '
import json, numpy as np
y = np.load("out.npz")["y"]
assert y.dtype.itemsize == 2 and y.view(np.uint16).tolist() == [0x3F80, 0xC020]
assert any("bits" in note for note in json.load(open("out.json"))["notes"]), "no note"' \
  && grep -q bits notes.txt && verdict "bfloat16 as uint16" yes "" || verdict "bfloat16 as uint16" no "$(cat notes.txt)"
holds "bfloat16 as float32" "$tool" run bits.onnx --inputs bits.npz -o out.npz --float32 --quiet
holds "and its values" "$python" -c 'import numpy as np; assert np.load("out.npz")["y"].tolist() == [1, -2.5]'
refused "float32 of a clip" 64 "--float32" "$tool" run editor.onnx --clip striped-balls.mp4 $edit --float32 -o o.mp4

# Clips
frame() { ffmpeg -v error -nostdin -y -i striped-balls.mp4 "$@"; }
frame -frames:v 1 -update 1 picture.png; frame -frames:v 1 -update 1 picture.jpg
holds "a picture" "$tool" run editor.onnx --clip picture.png $edit -o edited.png
holds "a picture as JPEG" "$tool" run editor.onnx --clip picture.jpg $edit -o edited.jpg
holds "what it is" bash -c '[ "$(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 edited.png)" = png ]'
refused "a picture where a clip is due" 65 "--frames 1" \
  "$tool" run editor.onnx --clip picture.png --frames 4 $edit -o o.mp4
frame -frames:v 8 -vf setsar=2/1 -c:v libx264 wide.mp4
holds "a clip of wide pixels" "$tool" run editor.onnx --clip wide.mp4 $edit -o wide.out.mp4
holds "is as wide" bash -c \
  '[ "$(ffprobe -v error -show_entries stream=sample_aspect_ratio -of csv=p=0 wide.out.mp4)" = 2:1 ]'
frame -frames:v 8 -vf "setpts='if(lt(N,4),N,4+(N-4)*3)*0.1/TB'" -vsync vfr -c:v libx264 uneven.mp4
said=$("$tool" run editor.onnx --clip uneven.mp4 --edit mirror --steps 1 -o even.mp4 2>&1)
[[ $said == *"variable frame rate"* ]] && noted=yes || noted=no
verdict "a variable frame rate" "$noted" "$said"

# Calibration
refused "calibrating a patched model" 65 "is patched already" "$tool" calibrate patched.onnx --clips striped-balls.mp4
said=$("$tool" calibrate bits.onnx --clips striped-balls.mp4 2>&1)
[ $? = 2 ] && [[ $said != *--inputs* ]] && verdict "no attention" yes "" || verdict "no attention" no "$said"
"$python" - <<'P'
import onnx
model = onnx.load("editor.onnx")
for value in model.graph.input:
    if value.name == "edit": value.name = "number"
for node in model.graph.node:
    node.input[:] = ["number" if name == "edit" else name for name in node.input]
onnx.save(model, "stranger.onnx")
P
said=$("$tool" calibrate stranger.onnx --clips striped-balls.mp4 2>&1)
[ $? = 78 ] && [[ $said == *--adapter* && $said != *--inputs* ]] && told=yes || told=no
verdict "no adapter" "$told" "$said"
refused "no adapter for a run" 78 "--inputs" "$tool" run stranger.onnx --clip striped-balls.mp4 -o o.mp4
for target in "--target-psnr -5" "--target-density 90" "--target-density 0" "--target-speedup -1" "--max-error -0.1"; do
  refused "$target" 64 "$target" "$tool" calibrate editor.onnx --clips striped-balls.mp4 $target
done
refused "a percentage" 64 "write 0.9" "$tool" calibrate editor.onnx --clips striped-balls.mp4 --target-density 90
refused "a negative number of steps" 64 "--steps" "$tool" run editor.onnx --clip striped-balls.mp4 --steps -1 -o o.mp4
printf 'schema: isa-patch/recipe/1\ndescription: d\ntarget: {density: 90}\n' >percent.yaml
refused "a percentage in a recipe" 78 "0.9" \
  "$tool" calibrate editor.onnx --clips striped-balls.mp4 --recipe percent.yaml

"$tool" calibrate editor.onnx --clips striped-balls.mp4 --edit mirror --steps 1 --frames 4 --size 96x80 -o c.isa.onnx \
  --quiet >calibration.txt
holds "the grid" grep -q "Grid 4x10x12, tiles 4x4x4" calibration.txt
holds "the profile's grid" python3 -c '
import json
segments = json.load(open("c.isa.json"))["sites"][0]["segments"]
assert [s["kind"] for s in segments] == ["target", "context"]
assert segments[0]["grid"] == [4, 10, 12] and segments[0]["length"] == 480 and 0 < segments[0]["fill"] <= 1'
refused "statistics as a profile" 78 "not a profile" "$tool" editor.onnx --profile c.isa.stats -o o.onnx
refused "a profile as statistics" 78 "not statistics" "$tool" calibrate solve editor.onnx c.isa.json -o d.isa.onnx
wrong() { # name, words, what changes the profile p
  python3 -c "
import json
p = json.load(open('c.isa.json'))
$3
json.dump(p, open('wrong.json', 'w'))"
  refused "a profile with $1" 65 "$2" "$tool" editor.onnx --profile wrong.json -o o.onnx
}
wrong "context_keep 7" "context_keep is 7" "p['sites'][2]['points'][1][0]['policy']['context_keep'] = 7"
wrong "a site twice" "stands there twice" "p['sites'].append(p['sites'][0])"
wrong "a quality missing" "qualities" "p['qualities'].pop()"

finish
