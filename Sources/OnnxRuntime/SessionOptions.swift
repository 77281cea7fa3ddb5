import CORT

extension Session {
  public enum Model: Sendable {
    case path(String)
    /// A serialised model; external data is looked for in `Options.externalDataFolder`.
    case bytes([UInt8])
  }

  public enum GraphOptimization: Int32, Sendable, CaseIterable {
    case none = 0
    case basic = 1
    case extended = 2
    case all = 99
  }

  public struct Options: Sendable {
    /// Threads inside an operator; 0 is ONNX Runtime's choice, a thread for each core.
    public var threads = 0
    public var graphOptimization = GraphOptimization.all
    /// Shared libraries that register operators.
    public var opLibraries: [String] = []
    /// Whether idle threads busy-wait for work. Sessions that are run in turn disturb each other unless it is off.
    public var spinning = true
    /// A file that gets a JSON profile: this, a time stamp, `.json`; see `Session.endProfiling`.
    public var profilePrefix: String?
    /// A file that gets the optimised model.
    public var optimizedModelPath: String?
    /// Sizes for dimensions' symbols.
    public var freeDimensions: [String: Int] = [:]
    /// Folder of the external data of a model given as bytes (ONNX Runtime 1.20 or newer).
    public var externalDataFolder: String?
    /// Further configuration entries by their key.
    public var configuration: [String: String] = [:]

    public init(threads: Int = 0, opLibraries: [String] = []) {
      self.threads = threads
      self.opLibraries = opLibraries
    }
  }
}

extension Session.Options {
  /// An OrtSessionOptions, which the caller releases.
  func make(_ library: Library) throws(RuntimeError) -> OpaquePointer {
    let api = library.api
    let made = try api.make("CreateSessionOptions") { api.CreateSessionOptions(&$0) }
    do throws(RuntimeError) {
      try apply(to: made, library)
      return made
    } catch {
      api.ReleaseSessionOptions(made)
      throw error
    }
  }

  private func apply(to options: OpaquePointer, _ library: Library) throws(RuntimeError) {
    let api = library.api
    try api.check("SetIntraOpNumThreads", api.SetIntraOpNumThreads(options, Int32(clamping: max(0, threads))))
    try api.check("SetInterOpNumThreads", api.SetInterOpNumThreads(options, 1))
    try api.check(
      "SetSessionGraphOptimizationLevel", api.SetSessionGraphOptimizationLevel(options, graphOptimization.rawValue))
    if let profilePrefix { try api.check("EnableProfiling", api.EnableProfiling(options, profilePrefix)) }
    if let optimizedModelPath {
      try api.check("SetOptimizedModelFilePath", api.SetOptimizedModelFilePath(options, optimizedModelPath))
    }
    for (name, size) in freeDimensions.sorted(by: { $0.key < $1.key }) {
      try api.check(
        "AddFreeDimensionOverrideByName", api.AddFreeDimensionOverrideByName(options, name, Int64(size)))
    }
    var entries = configuration
    if !spinning { entries["session.intra_op.allow_spinning"] = "0" }
    if let externalDataFolder { entries["session.model_external_initializers_file_folder_path"] = externalDataFolder }
    for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
      try api.check("AddSessionConfigEntry", api.AddSessionConfigEntry(options, key, value))
    }
    for path in opLibraries {
      guard fileExists(path) else { throw .opLibraryMissing(path: path) }
      if let reason = api.failure(api.RegisterCustomOpsLibrary_V2(options, path)) {
        throw .opLibraryRefused(path: path, reason: reason)
      }
    }
  }
}
