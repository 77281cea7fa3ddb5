import AttentionPatterns
import ONNXGraph
import OnnxRuntime

/// A model without an adapter, for tensors.
struct PlainSession {
  let session: Session

  init(path: String, threads: Int, spinning: Bool = true, profilePrefix: String? = nil) throws(ToolError) {
    do {
      let model = try Model.load(path: path)
      var options = Session.Options(threads: threads)
      options.spinning = spinning
      options.profilePrefix = profilePrefix
      if model.opsets[RewriteNames.domain] != nil { options.opLibraries = [try OpLibrary.find(besideModel: path)] }
      session = try Session(Library.load(), model: .path(path), options: options)
    } catch {
      throw ToolError(error, model: path)
    }
  }
}
