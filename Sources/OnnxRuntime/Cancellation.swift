import CORT

/// Ends runs from another thread, as a signal handler's does.
public final class Cancellation: @unchecked Sendable {
  let options: OpaquePointer
  private let library: Library

  public init(_ library: Library) throws(RuntimeError) {
    self.library = library
    options = try library.api.make("CreateRunOptions") { library.api.CreateRunOptions(&$0) }
  }

  deinit { library.api.ReleaseRunOptions(options) }

  /// Makes every run that was given this object throw `cancelled` after the node at work, and every later one at once.
  public func cancel() {
    if let status = library.api.RunOptionsSetTerminate(options) { library.api.ReleaseStatus(status) }
  }
}
