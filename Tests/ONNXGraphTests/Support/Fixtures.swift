import Foundation
import ONNXGraph

enum Fixtures {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/models")

  static let names = ["every_value", "external", "functions", "operators", "subgraphs", "unsorted"]

  static func path(_ name: String) -> String { folder.appendingPathComponent("\(name).onnx").path }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  static func model(_ name: String) throws -> Model { try Model.load(path: path(name)) }
}

/// A folder of its own for a test, removed at the end.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("onnxgraph-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: url.appendingPathComponent(name))
    return path(name)
  }
}

/// The error of a model that must not load; nil where it loads.
func loadError(_ bytes: [UInt8], path: String = "/nowhere/model.onnx") -> ModelError? {
  do throws(ModelError) {
    _ = try Model.load(bytes: bytes, path: path)
    return nil
  } catch {
    return error
  }
}

func loadError(path: String) -> ModelError? {
  do throws(ModelError) {
    _ = try Model.load(path: path)
    return nil
  } catch {
    return error
  }
}

/// A small generator with a seed (splitmix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
