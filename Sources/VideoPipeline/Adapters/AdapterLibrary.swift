import Foundation

/// The adapters found on this machine.
public struct AdapterLibrary: Sendable {
  /// By name, sorted.
  public let adapters: [Adapter]
  /// The folder they came from; nil where none was found.
  public let folder: String?

  public init(adapters: [Adapter], folder: String? = nil) {
    self.adapters = adapters.sorted { $0.name < $1.name }
    self.folder = folder
  }

  /// Reads every `.yaml` file of a folder.
  public init(folder: String) throws(AdapterError) {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw .unreadable(path: folder)
    }
    var adapters: [Adapter] = []
    for name in names.sorted() where name.hasSuffix(".yaml") {
      adapters.append(try Self.read(file: "\(folder)/\(name)"))
    }
    self.init(adapters: adapters, folder: folder)
  }

  /// The adapters of the folder that `ISA_ADAPTERS` names, else of `Adapters` in the package that the executable was
  /// built in, else of `share/isa-patch/adapters` beside the executable's `bin`. Without any, an empty library.
  public static func find(
    environment: [String: String] = ProcessInfo.processInfo.environment, executable: String? = ownExecutable
  ) throws(AdapterError) -> AdapterLibrary {
    if let folder = environment["ISA_ADAPTERS"], !folder.isEmpty { return try AdapterLibrary(folder: folder) }
    if let executable, let folder = candidates(executable).first(where: isFolder) {
      return try AdapterLibrary(folder: folder)
    }
    return AdapterLibrary(adapters: [])
  }

  /// Path of the running program, links resolved.
  public static var ownExecutable: String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
  }

  private static func candidates(_ executable: String) -> [String] {
    var result: [String] = []
    var folder = URL(fileURLWithPath: executable).deletingLastPathComponent()
    let installed = folder.deletingLastPathComponent().appendingPathComponent("share/isa-patch/adapters").path
    for _ in 0..<8 where folder.path != "/" {
      if FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) {
        result.append(folder.appendingPathComponent("Adapters").path)
      }
      folder.deleteLastPathComponent()
    }
    return [installed] + result
  }

  private static func isFolder(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
  }

  static func read(file: String) throws(AdapterError) -> Adapter {
    guard let source = try? ByteSource(path: file),
      let bytes = try? source.read(at: 0, count: min(source.count, YAMLValue.maximumBytes + 1))
    else { throw .unreadable(path: file) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .schema(YAMLSchemaError(file: file, line: nil, what: "is not UTF-8 text"))
    }
    return try Adapter(yaml: text, file: file)
  }

  /// The adapter given by name, or by the path of a `.yaml` file.
  public func adapter(_ nameOrFile: String) throws(AdapterError) -> Adapter {
    if let adapter = adapters.first(where: { $0.name == nameOrFile }) { return adapter }
    if nameOrFile.hasSuffix(".yaml") || nameOrFile.contains("/") { return try Self.read(file: nameOrFile) }
    throw .notFound(name: nameOrFile, known: adapters.map(\.name))
  }

  /// The adapter that a model fits; nil where none does. Of several, the one that asks for most.
  public func recognise(_ model: ModelInterface) throws(AdapterError) -> AdapterMatch? {
    let matches = adapters.compactMap { try? $0.match(model) }
    let most = matches.map(\.adapter.demands).max()
    let best = matches.filter { $0.adapter.demands == most }
    guard best.count < 2 else { throw .ambiguous(best.map(\.adapter.name)) }
    return best.first
  }
}

extension Adapter {
  /// What a model needs besides its inputs and outputs.
  fileprivate var demands: Int { weights.count + (lowNoise == nil ? 0 : 1) }
}
