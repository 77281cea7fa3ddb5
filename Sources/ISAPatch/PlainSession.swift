import AttentionPatterns
import Foundation
import ONNXGraph
import OnnxRuntime

/// A model without an adapter, for tensors.
struct PlainSession {
  let session: Session

  /// - Parameter bytes: the model where it is not the file at `path`, which then names the folder of external data.
  init(
    path: String, bytes: [UInt8]? = nil, threads: Int, spinning: Bool = true, profilePrefix: String? = nil
  ) throws(ToolError) {
    do {
      let model = try Model.load(path: path)
      try model.checkExternalData()
      var options = Session.Options(threads: threads)
      options.spinning = spinning
      options.profilePrefix = profilePrefix
      if PatchedModel.hasOperators(model) { options.opLibraries = [try OpLibrary.find(besideModel: path)] }
      if bytes != nil { options.externalDataFolder = URL(fileURLWithPath: path).deletingLastPathComponent().path }
      session = try Session(Library.load(), model: bytes.map { .bytes($0) } ?? .path(path), options: options)
    } catch {
      throw ToolError(error, model: path)
    }
  }
}
