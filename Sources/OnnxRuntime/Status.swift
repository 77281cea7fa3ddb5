import CORT
import Glibc

extension OrtApi {
  /// The text of a failure, which is released; nil for success.
  func failure(_ status: OpaquePointer?) -> String? {
    guard let status else { return nil }
    defer { ReleaseStatus(status) }
    guard let text = GetErrorMessage(status) else { return "no reason given" }
    // The messages above put the full stop.
    var reason = String(cString: text)
    while let last = reason.last, last.isWhitespace || last == "." { reason.removeLast() }
    return reason
  }

  func check(_ call: String, _ status: OpaquePointer?) throws(RuntimeError) {
    if let reason = failure(status) { throw .callFailed(call: call, reason: reason) }
  }

  /// Runs a call that hands out an object by its last argument.
  func make(
    _ call: String, _ body: (inout OpaquePointer?) -> OpaquePointer?
  ) throws(RuntimeError) -> OpaquePointer {
    var out: OpaquePointer?
    try check(call, body(&out))
    guard let out else { throw .callFailed(call: call, reason: "no object was made") }
    return out
  }

  /// Runs a call that hands out a number by its last argument.
  func number<T: BinaryInteger>(
    _ call: String, _ body: (inout T) -> OpaquePointer?
  ) throws(RuntimeError) -> T {
    var out: T = 0
    try check(call, body(&out))
    return out
  }

  /// Runs a call that hands out a string of `allocator`'s.
  func text(
    _ call: String, _ allocator: OpaquePointer, _ body: (inout UnsafeMutablePointer<CChar>?) -> OpaquePointer?
  ) throws(RuntimeError) -> String? {
    var out: UnsafeMutablePointer<CChar>?
    try check(call, body(&out))
    guard let out else { return nil }
    defer { if let status = AllocatorFree(allocator, out) { ReleaseStatus(status) } }
    return String(cString: out)
  }
}

func fileExists(_ path: String) -> Bool { access(path, R_OK) == 0 }

func string(_ characters: [CChar]) -> String {
  String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
