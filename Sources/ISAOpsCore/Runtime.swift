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

/// The runtime that loaded this library.
struct Runtime {
  /// Its own table, of which `api` copies the part that every version has.
  let table: UnsafePointer<OrtApi>
  let version: String

  var api: Api { table.pointee }

  /// Nil where the runtime is older than API 17.
  init?(_ base: UnsafePointer<OrtApiBase>) {
    guard let table = base.pointee.GetApi(UInt32(CORT_API_VERSION)) else { return nil }
    self.table = table
    version = Runtime.version(base)
  }

  static func version(_ base: UnsafePointer<OrtApiBase>) -> String {
    base.pointee.GetVersionString().map { String(cString: $0) } ?? "of an unknown version"
  }

  /// Whether this is ONNX Runtime 1.`minor` or newer.
  func isAtLeast(minor: Int) -> Bool {
    let numbers = version.split(separator: ".").prefix(2).map { Int($0) ?? 0 }
    guard numbers.count == 2 else { return false }
    return numbers[0] > 1 || (numbers[0] == 1 && numbers[1] >= minor)
  }
}
