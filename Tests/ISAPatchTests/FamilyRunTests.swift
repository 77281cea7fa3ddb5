import Foundation
import ISAPatch
import OnnxRuntime
import Reporting
import Testing
import VideoPipeline

/// Whole runs of tiny random models of real families, against what diffusers' own pipelines make of the same weights from
/// the same noise (Tests/Fixtures/pipelines/make_pipelines.py).
@Suite struct FamilyRunTests {
  struct Case: CustomTestStringConvertible, Sendable {
    /// Folder and file of the model.
    var model: String
    /// Arrays of the folder's reference.
    var reference: String
    /// nil: recognised.
    var adapter: String?
    /// What the adapter is to be.
    var family: String
    var frames: Int
    var size = FrameSize(width: 32, height: 32)
    var steps: Int
    /// Whether the folder's clip is edited.
    var hasClip = false
    var testDescription: String { "\(model) \(reference)" }

    var folder: String { String(model.prefix { $0 != "/" }) }
  }

  static let cases = [
    Case(
      model: "wan/wan-high-noise.onnx", reference: "one", adapter: "wan-2.1-t2v", family: "wan-2.1-t2v", frames: 5, steps: 5),
    Case(model: "wan/wan-high-noise.onnx", reference: "two", family: "wan-2.2-t2v", frames: 5, steps: 8),
    // Either transformer may be the one that is run; the other is found beside it.
    Case(model: "wan/wan-low-noise.onnx", reference: "two", family: "wan-2.2-t2v", frames: 5, steps: 8),
    Case(
      model: "wan/wan-in-context.onnx", reference: "context", family: "wan-2.1-in-context", frames: 5, steps: 4,
      hasClip: true),
    Case(
      model: "wan/wan-vace.onnx", reference: "vace", family: "wan-2.1-vace", frames: 5, steps: 4, hasClip: true),
    Case(model: "wan-i2v/model.onnx", reference: "one", family: "wan-2.1-i2v", frames: 5, steps: 4, hasClip: true),
    Case(model: "hunyuan/model.onnx", reference: "one", family: "hunyuan-video", frames: 5, steps: 6),
    Case(
      model: "ltx/model.onnx", reference: "one", family: "ltx-video", frames: 9, size: FrameSize(width: 128, height: 96),
      steps: 6),
    Case(model: "mochi/model.onnx", reference: "one", family: "mochi-1", frames: 7, steps: 6),
    // Both branches of guidance in one call.
    Case(
      model: "cogvideox/model.onnx", reference: "one", family: "cogvideox-2b", frames: 9,
      size: FrameSize(width: 64, height: 64), steps: 6),
    Case(
      model: "flux/model.onnx", reference: "one", family: "flux-kontext", frames: 1,
      size: FrameSize(width: 64, height: 64), steps: 6, hasClip: true),
    Case(
      model: "qwen/model.onnx", reference: "one", family: "qwen-image-edit", frames: 1,
      size: FrameSize(width: 64, height: 64), steps: 6, hasClip: true),
  ]

  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/pipelines").path

  static func options(_ item: Case) -> SamplingOptions {
    var options = SamplingOptions(
      steps: item.steps, seed: 3, frames: item.frames, size: item.size, threads: 1, adapter: item.adapter)
    options.texts = ["\(fixtures)/\(item.folder)/text.safetensors"]
    return options
  }

  @Test(arguments: cases)
  func latentsAreThoseOfDiffusers(_ item: Case) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("isa-patch-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let output = folder.appendingPathComponent("latents.npz").path
    let job = RunJob(model: "\(Self.fixtures)/\(item.model)", options: Self.options(item), output: output)
    let report = try job.run(
      clip: item.hasClip ? "\(Self.fixtures)/\(item.folder)/source.mkv" : nil, progress: .standardError(quiet: true))
    #expect(report.steps == item.steps)
    let reference = try Npz.read("\(Self.fixtures)/\(item.folder)/reference.npz")
    let wanted = try #require(reference["\(item.reference)/latents"])
    let latents = try #require(try Npz.read(output)["latents"])
    #expect(latents.count == wanted.count)
    let error = try #require(Difference.relativeL2(latents.floats, wanted.floats))
    #expect(error < 1e-5)
  }

  /// What exporters write of a family, in all forms, is recognised; what is like it is not.
  @Test(arguments: [
    ("cogvideox-2b.dynamo20-dynamic", "cogvideox-2b"), ("cogvideox-5b.dynamo20-dynamic", nil),
    ("flux-kontext.dynamo20-dynamic", "flux-kontext"), ("flux-kontext.torchscript17-static", "flux-kontext"),
    ("hunyuan-video.dynamo23-dynamic", "hunyuan-video"), ("hunyuan-video.torchscript17-dynamic", "hunyuan-video"),
    ("framepack.dynamo20-dynamic", nil), ("ltx.dynamo18-static", "ltx-video"), ("ltx.dynamo23-dynamic", "ltx-video"),
    ("mochi.dynamo18-static", "mochi-1"), ("mochi.torchscript17-dynamic", "mochi-1"),
    ("qwen-image-edit.dynamo20-dynamic", "qwen-image-edit"), ("qwen-image-edit.torchscript17-static", "qwen-image-edit"),
    ("wan-i2v.dynamo20-dynamic", "wan-2.1-i2v"), ("wan-in-context.dynamo18-static", "wan-2.1-in-context"),
    ("wan-in-context.torchscript17-dynamic", "wan-2.1-in-context"), ("wan-t2v.dynamo18-static", "wan-2.1-t2v"),
    ("wan-t2v.torchscript17-dynamic", "wan-2.1-t2v"), ("wan-vace.dynamo20-dynamic", "wan-2.1-vace"),
    ("allegro.dynamo20-dynamic", nil), ("latte.dynamo20-dynamic", nil), ("easyanimate.dynamo20-dynamic", nil),
  ] as [(String, String?)])
  func exportsAreRecognised(file: String, family: String?) throws {
    let report = try InspectJob(model: "\(Self.fixtures)/../exports/\(file).onnx").run()
    #expect(report.adapter == family)
    #expect((report.adapterReason == nil) == (family == nil))
  }

  /// Decoded too, where the reference has the clip; every family is recognised by the adapter that is meant.
  @Test(arguments: cases)
  func clipsAreThoseOfDiffusers(_ item: Case) throws {
    let options = Self.options(item)
    let model = try EditingModel(
      path: "\(Self.fixtures)/\(item.model)", loading: .init(threads: 1, adapter: item.adapter))
    #expect(model.match.adapter.name == item.family)
    let reference = try Npz.read("\(Self.fixtures)/\(item.folder)/reference.npz")
    guard let wanted = reference["\(item.reference)/sample"] else { return }
    let clips = item.hasClip ? ["\(Self.fixtures)/\(item.folder)/source.mkv"] : []
    let set = try CaseSet(clips: clips, options: options, model: model)
    let sample = try model.sample(set.cases[0].run)
    #expect(sample.video.shape == wanted.shape)
    let error = try #require(Difference.relativeL2(sample.video.values, wanted.floats))
    #expect(error < 1e-4)
  }

  /// A family that goes on from a first frame takes a picture of it.
  @Test func aPictureIsAFirstFrame() throws {
    let item = try #require(Self.cases.first { $0.family == "wan-2.1-i2v" })
    let folder = try Folder()
    let clip = "\(Self.fixtures)/wan-i2v/source.mkv"
    let ffmpeg = try FFmpeg.find()
    let picture = "\(folder.path)/first.png"
    try ffmpeg.encode(ffmpeg.decode(clip, frames: 1, width: 32, height: 32), to: picture)
    var samples: [[Float]] = []
    for source in [clip, picture] {
      let output = "\(folder.path)/out.npz"
      _ = try RunJob(model: "\(Self.fixtures)/\(item.model)", options: Self.options(item), output: output)
        .run(clip: source, progress: .standardError(quiet: true))
      samples.append(try #require(try Npz.read(output)["latents"]?.floats))
    }
    #expect(samples[0] == samples[1])
  }

  /// The text as bfloat16, and its bits as uint16: the same run, and a note.
  @Test func textsMayBeBitsOfBfloat16() throws {
    let item = try #require(Self.cases.first { $0.family == "ltx-video" })
    let folder = try Folder()
    let text = try ArrayFile.read("\(Self.fixtures)/ltx/text.safetensors")
    let floats = text.filter { [.float32, .float16, .bfloat16].contains($0.value.elementType) }
    #expect(!floats.isEmpty)
    var samples: [[Float]] = []
    for isBits in [false, true] {
      let arrays = try text.sorted { $0.key < $1.key }.map { name, array in
        guard floats[name] != nil else { return (name: name, array: array) }
        let halves = try Tensor(floats: array.floats, shape: array.shape, as: .bfloat16)
        return (name: name, array: isBits ? try Tensor(.uint16, shape: halves.shape, bytes: halves.bytes) : halves)
      }
      let path = try folder.write("text.npz", ArrayFile.encode(arrays, for: "text.npz"))
      var options = Self.options(item)
      options.texts = [path]
      let output = "\(folder.path)/out.npz"
      let report = try RunJob(model: "\(Self.fixtures)/\(item.model)", options: options, output: output)
        .run(clip: nil, progress: .standardError(quiet: true))
      #expect(report.notes.count == (isBits ? floats.count : 0))
      samples.append(try #require(try Npz.read(output)["latents"]?.floats))
    }
    #expect(samples[0] == samples[1])
  }
}
