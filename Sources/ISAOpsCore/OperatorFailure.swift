import CORT

/// What ONNX Runtime is told when a node cannot be made or run.
package struct OperatorFailure: Error, Equatable {
  package var code = Int32(ORT_INVALID_ARGUMENT)
  package var text: String

  package init(_ text: String) { self.text = text }

  /// The same for one node, so that the user knows which.
  func at(site: String) -> OperatorFailure {
    var named = self
    named.text = "isa: site '\(site)': \(text)"
    return named
  }

  func status(_ api: Api) -> OpaquePointer? { api.CreateStatus(code, text) }
}
