import CORT

/// ONNX Runtime's functions, as it passed them to us; never from a library that we opened.
typealias Api = OrtApi

extension OrtApi {
  /// The text of a failure, which is released; nil for success.
  func failure(_ status: OpaquePointer?) -> String? {
    guard let status else { return nil }
    defer { ReleaseStatus(status) }
    return GetErrorMessage(status).map { String(cString: $0) } ?? "unknown failure"
  }

  func check(_ call: String, _ status: OpaquePointer?) throws(OperatorFailure) {
    if let reason = failure(status) { throw OperatorFailure("ONNX Runtime's \(call) failed: \(reason)") }
  }
}
