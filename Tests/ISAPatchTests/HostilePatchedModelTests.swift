import Foundation
import ISAPatch
import ONNXGraph
import SparseAttention
import TestSupport
import Testing

/// Patched models that were tampered with, and models that would have `patch` write where it must not.
@Suite struct HostilePatchedModelTests {
  private let folder: Folder
  init() throws { folder = try Folder() }

  /// Tables of policies with an axis of nothing beside one without end.
  @Test(.timeLimit(.minutes(1)), arguments: [[1 << 40, 0, 10], [0, 1 << 40, 10], [1 << 40, 10, 0]] as [[Int64]])
  func policiesOfNothing(dims: [Int64]) throws {
    let node = Proto.node(
      "InContextSparseAttention", ["x", "x", "x"], ["y"], domain: "isa",
      attributes: [
        .attribute("policies", tensor: .tensor("", dims: dims, raw: [])),
        Proto().text(1, "num_heads").int(3, dims[1]).int(20, 2),
      ])
    let opset = Proto().message(8, Proto().text(1, "isa").int(2, 1)).bytes
    let path = try folder.write("m.isa.onnx", Proto.model(Proto.graph([node])) + opset)
    #expect(try InspectJob(model: path).run().sites.map { $0.policies == nil } == [true])
    #expect(failure { _ = try PatchJob(.init(model: path)).run() }?.message.contains("restore") ?? true)
  }

  private func model(_ location: String) -> [UInt8] {
    Proto.model(Proto.graph([Proto.relu], initializers: [.external("w", [("location", location)])]))
  }

  /// A location names a file in the output's folder too: the user's own files stay as they are.
  @Test(arguments: ["copy", "link"]) func whatIsThereIsNotWrittenOver(policy: String) throws {
    let policy = try #require(ExternalDataPolicy(rawValue: policy))
    let data = [UInt8](repeating: 1, count: 16)
    let mine = [UInt8](repeating: 2, count: 16)
    let source = try folder.write("in/m.onnx", model("settings/mine.bin"))
    _ = try folder.write("in/settings/mine.bin", data)
    let there = try folder.write("home/settings/mine.bin", mine)
    let target = "\(folder.path)/home/m.isa.onnx"
    let job = { _ = try PatchJob(.init(model: source, output: target, externalData: policy)).run() }
    #expect(failure(job)?.status == .cannotCreate)
    #expect(bytes(there) == mine)
    #expect(!FileManager.default.fileExists(atPath: target))
    // The same contents are what was asked for.
    try Data(data).write(to: URL(fileURLWithPath: there))
    try job()
    #expect(bytes(target) != nil)
  }

  /// A link in the output's folder leads out of it.
  @Test func dataIsNotWrittenThroughLinks() throws {
    let source = try folder.write("in/m.onnx", model("data/w.bin"))
    _ = try folder.write("in/data/w.bin", [UInt8](repeating: 1, count: 16))
    _ = try folder.write("out/placeholder", [])
    _ = try folder.write("elsewhere/placeholder", [])
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/out/data", withDestinationPath: "\(folder.path)/elsewhere")
    let job = PatchJob(.init(model: source, output: "\(folder.path)/out/m.onnx", externalData: .copy))
    #expect(failure { _ = try job.run() }?.status == .cannotCreate)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/elsewhere") == ["placeholder"])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/out").sorted() == ["data", "placeholder"])
  }

  /// A link that was put in the file's place after the model was read.
  @Test func dataThatBecameALinkIsNotCopied() throws {
    let secret = try folder.write("secret", [UInt8](repeating: 7, count: 16))
    let source = try folder.write("in/m.onnx", model("w.bin"))
    let data = try folder.write("in/w.bin", [UInt8](repeating: 1, count: 16))
    let loaded = try Model.load(path: source)
    try FileManager.default.removeItem(atPath: data)
    try FileManager.default.createSymbolicLink(atPath: data, withDestinationPath: secret)
    #expect(throws: ModelError.self) { try loaded.openExternalData("w.bin") }
    #expect(throws: ModelError.self) { try loaded.openExternalData("../secret") }
    #expect(loaded.index.initializer("w")?.floatValues() == nil)
  }

  /// Shortened after it was checked: unknown, not a read beyond its end.
  @Test func dataThatWasShortened() throws {
    let source = try folder.write("m.onnx", model("w.bin"))
    let data = try folder.write("w.bin", [UInt8](repeating: 0, count: 16))
    let loaded = try Model.load(path: source)
    #expect(loaded.index.initializer("w")?.floatValues() == [0, 0, 0, 0])
    try Data([0, 0, 0]).write(to: URL(fileURLWithPath: data))
    #expect(loaded.index.initializer("w")?.floatValues() == nil)
  }
}
