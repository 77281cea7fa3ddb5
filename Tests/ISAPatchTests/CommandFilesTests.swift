import AttentionPatterns
import CalibrationCore
import Foundation
import ISAPatch
import Reporting
import TestSupport
import Testing
import VideoPipeline

/// An output that is an input is refused before any work, whatever the way to it.
@Suite struct CommandFilesTests {
  private let folder: Folder
  private let model: String
  private let original: [UInt8]

  init() throws {
    var m = AttentionModel().model
    m.initializer("extra", externalFile: "w.bin", shape: [4])
    m.node("Identity", ["extra"], ["copy"])
    m.output("copy", 1)
    original = m.bytes
    folder = try Folder()
    model = try folder.write("m.onnx", original)
    for name in [
      "w.bin", "clip.mp4", "held.mp4", "recipe.isa.json", "text.npz", "adapter.yaml", "p.isa.stats", "vae.onnx",
    ] {
      _ = try folder.write(name, Array(repeating: 7, count: 16))
    }
  }

  private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

  /// What to call it by: the path, a roundabout one, a link, a link to a link, a second name.
  enum Way: String, CaseIterable {
    case path, roundabout, link, chain, hardLink
  }

  private func other(_ name: String, _ way: Way) throws -> String {
    let manager = FileManager.default
    switch way {
    case .path: return path(name)
    case .roundabout: return "\(folder.path)/../\((folder.path as NSString).lastPathComponent)/./\(name)"
    case .link:
      try manager.createSymbolicLink(atPath: path("l.\(name)"), withDestinationPath: name)
      return path("l.\(name)")
    case .chain:
      try manager.createSymbolicLink(atPath: path("l2.\(name)"), withDestinationPath: path("l3.\(name)"))
      try manager.createSymbolicLink(atPath: path("l3.\(name)"), withDestinationPath: name)
      return path("l2.\(name)")
    case .hardLink:
      try manager.linkItem(atPath: path(name), toPath: path("h.\(name)"))
      return path("h.\(name)")
    }
  }

  private var options: SamplingOptions {
    var options = SamplingOptions(adapter: path("adapter.yaml"))
    options.texts = [path("text.npz")]
    options.companions = [.vaeDecoder: path("vae.onnx")]
    return options
  }

  /// Nothing changed, and nothing was left behind.
  private func refuses(_ name: String, _ way: Way, _ body: (String) throws -> Void) throws {
    let output = try other(name, way)
    let before = folder.contents
    let bytes = FileManager.default.contents(atPath: path(name))
    let error = failure { try body(output) }
    #expect(error?.status == .usage, "\(name) by \(way): \(error?.message ?? "no error")")
    #expect(error?.message.contains("choose another output") == true)
    #expect(folder.contents == before)
    #expect(FileManager.default.contents(atPath: path(name)) == bytes)
  }

  @Test(arguments: Way.allCases) func patch(_ way: Way) throws {
    try refuses("m.onnx", way) { _ = try PatchJob(.init(model: model, output: $0)).run() }
    try refuses("p.isa.stats", way) {
      _ = try PatchJob(.init(model: model, output: $0, mode: .profile(path("p.isa.stats")))).run()
    }
    try refuses("adapter.yaml", way) {
      _ = try PatchJob(.init(model: model, output: $0, adapter: path("adapter.yaml"))).run()
    }
    // Data with a second name is no data: refused as such.
    if way != .hardLink { try refuses("w.bin", way) { _ = try PatchJob(.init(model: model, output: $0)).run() } }
  }

  /// The data that is copied beside an output is an output too.
  @Test func aPatchedModelInThePlaceOfItsOwnData() throws {
    _ = try folder.write("out/placeholder", [])
    let error = failure {
      _ = try PatchJob(.init(model: model, output: path("out/w.bin"), externalData: .copy)).run()
    }
    #expect(error?.status == .usage)
    #expect(!FileManager.default.fileExists(atPath: path("out/w.bin")))
  }

  @Test(arguments: Way.allCases) func run(_ way: Way) throws {
    let names = ["m.onnx", "clip.mp4", "text.npz", "adapter.yaml", "vae.onnx"] + (way == .hardLink ? [] : ["w.bin"])
    for name in names {
      try refuses(name, way) { output in
        _ = try RunJob(model: model, options: options, output: output)
          .run(clip: path("clip.mp4"), progress: .standardError(quiet: true))
      }
    }
    try refuses("p.isa.stats", way) {
      _ = try RunJob(model: model, options: SamplingOptions(), output: $0).run(inputs: path("p.isa.stats"))
    }
  }

  @Test(arguments: Way.allCases) func compare(_ way: Way) throws {
    for name in ["m.onnx", "clip.mp4", "text.npz", "vae.onnx"] {
      try refuses(name, way) { output in
        _ = try CompareJob(
          original: model, patched: model, clips: [path("clip.mp4")], options: options, contactSheet: output
        ).run(progress: .standardError(quiet: true))
      }
    }
  }

  @Test(arguments: Way.allCases) func restore(_ way: Way) throws {
    try refuses("m.onnx", way) { _ = try RestoreJob(model: model, output: $0).run() }
  }

  private func calibration(_ output: String) -> CalibrateJob {
    var job = CalibrateJob(
      model: model, clips: [path("clip.mp4")], holdOut: [path("held.mp4")], options: options, target: .psnr(35),
      output: output)
    job.recipePath = path("recipe.isa.json")
    return job
  }

  @Test(arguments: Way.allCases) func calibrate(_ way: Way) throws {
    for name in ["m.onnx", "clip.mp4", "held.mp4", "text.npz", "vae.onnx"] {
      try refuses(name, way) { _ = try calibration($0).run(progress: .standardError(quiet: true)) }
    }
  }

  /// The profile and the statistics stand beside the model, under names that may be inputs'.
  @Test func impliedOutputs() throws {
    try refuses("recipe.isa.json", .path) { _ in
      _ = try calibration(path("recipe.isa.onnx")).run(progress: .standardError(quiet: true))
    }
    try refuses("p.isa.stats", .path) { _ in
      var job = calibration(path("p.isa.onnx"))
      job.clips = [path("p.isa.stats")]
      _ = try job.collect(progress: .standardError(quiet: true))
    }
    _ = try folder.write("s.isa.json", [1])
    try refuses("s.isa.json", .path) { _ in _ = try calibration(path("s.isa.onnx")).solve([path("s.isa.json")]) }
  }

  /// Two names of one file that is not there yet.
  @Test func twoOutputsThatAreOne() throws {
    try FileManager.default.createSymbolicLink(atPath: path("x.isa.json"), withDestinationPath: "x.isa.onnx")
    let error = failure { _ = try calibration(path("x.isa.onnx")).run(progress: .standardError(quiet: true)) }
    #expect(error?.status == .usage)
    #expect(error?.message.contains("written twice") == true, "\(error?.message ?? "")")
  }

  @Test func otherFilesAreWritten() throws {
    let outcome = try PatchJob(
      .init(model: model, output: path("m.isa.onnx"), selection: SiteSelection(minTokens: 1))
    ).run()
    #expect(outcome.status == .success)
    // Once more over its own result, and back over the original.
    _ = try PatchJob(.init(model: model, output: path("m.isa.onnx"), selection: SiteSelection(minTokens: 1))).run()
    _ = try RestoreJob(model: path("m.isa.onnx"), output: model).run()
    #expect(FileManager.default.contents(atPath: model) == Data(original))
  }

  @Test func calibratingAPatchedModelSaysThatItIsPatched() throws {
    _ = try PatchJob(.init(model: model, output: path("m.isa.onnx"), selection: SiteSelection(minTokens: 1))).run()
    for output in [nil, path("o.isa.onnx")] {
      let job = CalibrateJob(
        model: path("m.isa.onnx"), clips: [path("clip.mp4")], options: SamplingOptions(), target: .psnr(35),
        output: output)
      for run in [
        { _ = try job.run(progress: .standardError(quiet: true)) },
        { _ = try job.collect(progress: .standardError(quiet: true)) }, { _ = try job.solve([path("p.isa.stats")]) },
      ] as [() throws -> Void] {
        let error = failure { try run() }
        #expect(error?.status == .dataError)
        #expect(error?.message.contains("is patched already") == true, "\(error?.message ?? "")")
      }
    }
  }
}
