import Foundation
import ONNXGraph

/// Gives back the original from a patched model, byte for byte.
public struct RestoreJob: Sendable {
  public var model: String
  /// nil: beside the model, as `X.onnx` for `X.isa.onnx`.
  public var output: String?

  public init(model: String, output: String? = nil) {
    self.model = model
    self.output = output
  }

  public struct Report: Sendable {
    public var model: String
    public var output: String
    public var bytes: Int
    /// SHA-256 of what was written, which is the original's.
    public var sha256: String
  }

  public static func defaultOutput(for model: String) -> String {
    model.hasSuffix(".isa.onnx") ? String(model.dropLast(9)) + ".onnx" : model + ".restored.onnx"
  }

  /// - Throws: `ToolError`: 66 no such model, 65 a file that is not patched or was changed since, 73 an output that
  ///   exists
  ///   and holds something else, 73 or 74 an output that cannot be written.
  public func run() throws(ToolError) -> Report {
    let target = output ?? Self.defaultOutput(for: model)
    var files = CommandFiles()
    files.readModel(model, "the patched model")
    files.write(target, "the original")
    try files.check()
    let original: [UInt8]
    do throws(ModelError) {
      let loaded = try Model.load(path: model)
      original = try loaded.withBytes { bytes throws(ModelError) in try RestoreDelta.restored(from: bytes) }
    } catch {
      let named = ToolError(error)
      throw named.message.contains(model) ? named : ToolError("\(model): \(named.message)", named.status)
    }
    // A default name may be that of another file; only the same bytes are written over.
    if output == nil, let there = FileManager.default.contents(atPath: target), !there.elementsEqual(original) {
      throw ToolError("\(target) exists and is another file; choose an output with -o.", .cannotCreate)
    }
    try AtomicFile.write(original, to: target)
    return Report(
      model: model, output: target, bytes: original.count,
      sha256: SHA256.hexadecimal(SHA256.digest(original)))
  }
}
