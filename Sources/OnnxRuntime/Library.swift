import CORT
import Foundation

/// ONNX Runtime, opened at run time.
///
///     let library = try Library.load()
///     let session = try Session(library, model: .path("model.onnx"))
public final class Library: @unchecked Sendable {
  /// The file that was opened, or the name that the system's loader resolved.
  public let path: String
  /// As in "1.31.1".
  public let version: String

  let api: OrtApi
  let env: OpaquePointer
  /// Allocates the strings that a session hands out.
  let allocator: OpaquePointer
  let cpuMemory: OpaquePointer

  /// An environment is made once and kept: that of a library which is opened again would share its logger and be torn
  /// down with it.
  private nonisolated(unsafe) static var opened: [String: Library] = [:]
  private static let lock = NSLock()

  /// Held while a session with operators of its own is made: two at once may both try to declare the domain.
  let registration = NSLock()

  /// Finds and opens the library: `path` (a file or a folder), the environment's ISA_ORT_LIBRARY,
  /// `.deps/onnxruntime/lib` in the working directory, the executable's folder or one above them, the system's loader.
  ///
  /// - Throws: `libraryMissing`, `libraryRefused`, `libraryTooOld`.
  public static func load(_ path: String? = nil) throws(RuntimeError) -> Library {
    lock.lock()
    defer { lock.unlock() }
    let (paths, named) = LibrarySearch.candidates(path)
    var failure: RuntimeError?
    for candidate in paths {
      do {
        if let library = opened[candidate] { return library }
        let library = try Library(opening: candidate)
        opened[candidate] = library
        return library
      } catch {
        // A file that exists and fails says more than that a later name does not exist.
        if failure == nil, named || candidate.contains("/") { failure = error }
      }
    }
    throw failure ?? .libraryMissing(searched: named ? paths : [".deps/onnxruntime/lib"] + paths)
  }

  private init(opening path: String) throws(RuntimeError) {
    var text = [CChar](repeating: 0, count: 1024)
    if path.contains("/"), !fileExists(path) { throw .libraryMissing(searched: [path]) }
    guard let base = cort_open(path, &text, text.count) else {
      throw .libraryRefused(path: path, reason: string(text))
    }
    self.path = path
    version = base.pointee.GetVersionString().map { String(cString: $0) } ?? "?"
    // Asking an old runtime for a new API makes it print to stderr: compare the numbers first.
    guard !Library.isTooOld(version), let table = base.pointee.GetApi(UInt32(CORT_API_VERSION)) else {
      throw .libraryTooOld(path: path, version: version)
    }
    let api = table.pointee
    self.api = api
    // Severity 4, fatal: what fails is reported as an error of ours, once.
    env = try api.make("CreateEnv") { api.CreateEnv(4, "isa-patch", &$0) }
    allocator = try api.make("GetAllocatorWithDefaultOptions") { api.GetAllocatorWithDefaultOptions(&$0) }
    cpuMemory = try api.make("CreateCpuMemoryInfo") { api.CreateCpuMemoryInfo(0, 0, &$0) }
  }

  /// Whether a version lacks API 17.
  package static func isTooOld(_ version: String) -> Bool {
    LibrarySearch.version(version).lexicographicallyPrecedes([1, Int(CORT_API_VERSION)])
  }

  /// Names of the execution providers that this build has, as in "CPUExecutionProvider".
  public var providers: [String] {
    var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    var count: Int32 = 0
    if let status = api.GetAvailableProviders(&names, &count) {
      api.ReleaseStatus(status)
      return []
    }
    defer { if let status = api.ReleaseAvailableProviders(names, count) { api.ReleaseStatus(status) } }
    return (0..<Int(count)).compactMap { names?[$0].map { String(cString: $0) } }
  }
}
