import AttentionPatterns
import Foundation
import ISAPatch
import OnnxRuntime
import TestSupport
import Testing

/// Weights in a file of their own: wherever a patched model is written, this tool and ONNX Runtime read it, or the command
/// says what to do.
@Suite struct ExternalDataTests {
  private let folder: Folder
  private let model: String
  private let original: [UInt8]

  init() throws {
    var m = AttentionModel().model
    m.initializer("extra", externalFile: "data/w.bin", shape: [4])
    m.node("Identity", ["extra"], ["copy"])
    m.output("copy", 1)
    original = m.bytes
    folder = try Folder()
    model = try folder.write("models/e.onnx", original)
    _ = try folder.write("models/data/w.bin", Self.weights)
    _ = try folder.write("elsewhere/placeholder", [])
  }

  private static let weights = [Float](arrayLiteral: 1, 2, 3, 4).flatMap { value in
    withUnsafeBytes(of: value) { Array($0) }
  }

  private func patch(_ model: String, to output: String, _ policy: ExternalDataPolicy) throws {
    var options = PatchJob.Options(model: model, output: output, selection: SiteSelection(minTokens: 1))
    options.externalData = policy
    #expect(try PatchJob(options).run().status == .success)
  }

  private func checkReadable(_ path: String) throws {
    #expect(try InspectJob(model: path).run().sites.count == 1)
    let session = try Session(
      try Library.load(), model: .path(path), options: .init(threads: 1, opLibraries: [PatchExactTests.operators]))
    let outputs = try session.run(["x": try Tensor(AttentionModel.noise(192, seed: 1), shape: [1, 12, 16])])
    #expect(outputs["copy"]?.floats == [1, 2, 3, 4])
    let back = "\(path).back.onnx"
    _ = try RestoreJob(model: path, output: back).run()
    #expect(bytes(back) == original)
  }

  @Test(
    arguments: [
      (ExternalDataPolicy.keep, "models"), (.copy, "elsewhere"), (.copy, "."), (.link, "."),
    ])
  func isReadable(_ policy: ExternalDataPolicy, _ place: String) throws {
    let output = "\(folder.path)/\(place)/e.isa.onnx"
    // Once more finds what the first run made.
    for _ in 0..<2 { try patch(model, to: output, policy) }
    try checkReadable(output)
    let data = "\(folder.path)/\(place)/data/w.bin"
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: data)
    #expect(link == (policy == .link ? "../models/data/w.bin" : nil))
    // The original is as it was, and still read.
    #expect(try InspectJob(model: model).run().sites.count == 1)
  }

  @Test(arguments: [(ExternalDataPolicy.keep, "elsewhere"), (.link, "elsewhere"), (.keep, ".")])
  func saysWhatToDo(_ policy: ExternalDataPolicy, _ place: String) throws {
    let output = "\(folder.path)/\(place)/e.isa.onnx"
    let error = failure { try patch(model, to: output, policy) }
    #expect(error?.status == .usage)
    #expect(error?.message.contains("--external-data copy") == true)
    #expect(!FileManager.default.fileExists(atPath: output))
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/\(place)/data"))
  }

  /// Nothing is patched that could not run, though patching itself reads none of the bytes.
  @Test func whatIsNotThereOrTooShortIsToldByItsTensor() throws {
    let path = "\(folder.path)/models/data/w.bin"
    try Data(Self.weights.dropLast()).write(to: URL(fileURLWithPath: path))
    let short = failure { try patch(model, to: "\(folder.path)/models/e.isa.onnx", .keep) }
    #expect(short?.status == .dataError)
    #expect(short?.message.contains("'extra'") == true, "\(short?.message ?? "")")
    try FileManager.default.removeItem(atPath: path)
    for policy in ExternalDataPolicy.allCases {
      let missing = failure { try patch(model, to: "\(folder.path)/models/e.isa.onnx", policy) }
      #expect(missing?.status == .noInput)
      #expect(missing?.message.contains("'extra'") == true && missing?.message.contains("w.bin") == true)
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/models/e.isa.onnx"))
  }

  /// A cache of downloads keeps files by their contents, and a model's folder of links to them.
  @Test func cachesOfDownloadsAreRead() throws {
    _ = try folder.write("blobs/1", original)
    _ = try folder.write("blobs/2", Self.weights)
    _ = try folder.write("snapshot/data/placeholder", [])
    let manager = FileManager.default
    let snapshot = "\(folder.path)/snapshot"
    try manager.createSymbolicLink(atPath: "\(snapshot)/e.onnx", withDestinationPath: "../blobs/1")
    try manager.createSymbolicLink(atPath: "\(snapshot)/data/w.bin", withDestinationPath: "../../blobs/2")
    #expect(try InspectJob(model: "\(snapshot)/e.onnx").run().sites.count == 1)
    let error = failure { try patch("\(snapshot)/e.onnx", to: "\(snapshot)/e.isa.onnx", .keep) }
    #expect(error?.message.contains("--external-data copy") == true)
    let output = "\(folder.path)/elsewhere/e.isa.onnx"
    try patch("\(snapshot)/e.onnx", to: output, .copy)
    try checkReadable(output)
    // A link out of the cache is still one too many.
    try manager.removeItem(atPath: "\(snapshot)/data/w.bin")
    try manager.createSymbolicLink(
      atPath: "\(snapshot)/data/w.bin", withDestinationPath: "../../models/data/w.bin")
    #expect(failure { _ = try InspectJob(model: "\(snapshot)/e.onnx").run() }?.status == .dataError)
  }
}
