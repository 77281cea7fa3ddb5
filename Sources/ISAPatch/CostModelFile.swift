import CalibrationCore
import Foundation
import ONNXGraph
import OnnxRuntime
import SparseAttentionCPU

/// Where a job has its cost model from.
public enum CostSource: Sendable {
  /// None: every site that may be replaced is.
  case none
  /// What was measured on this machine before; none where nothing was.
  case remembered
  /// The same, measured now where it was not.
  case measured
}

/// The cost model of this machine, kept in the user's cache folder; `ISA_COST_MODEL` names another file.
public enum CostModelFile {
  public static let variable = "ISA_COST_MODEL"

  /// The file that the variable names.
  static var given: String? {
    ProcessInfo.processInfo.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// - Throws: `ToolError` where a file that the variable names is missing or no cost model. What cannot be measured or
  ///   kept is no error: `note` says why, and nothing is held back.
  public static func model(
    _ source: CostSource, note: (String) -> Void = { _ in }
  ) throws(ToolError) -> CostModel? {
    if case .none = source { return nil }
    if let path = given {
      guard let data = FileManager.default.contents(atPath: path) else { throw .missing(path) }
      do throws(CalibrationError) { return try CostModel.decoded(data, file: path) } catch { throw ToolError(error) }
    }
    let identity: Identity
    do {
      identity = try Identity()
    } catch {
      if case .measured = source {
        note("This machine's speed could not be measured, so every site is replaced whether or not it gains: "
          + ToolError(error, model: "the benchmark's model").message)
      }
      return nil
    }
    let path = identity.path
    if let data = FileManager.default.contents(atPath: path),
      let model = try? CostModel.decoded(data, file: path), identity.fits(model)
    {
      return model
    }
    guard case .measured = source else { return nil }
    note("Measuring this machine once, to leave what the original does faster.")
    do {
      let model = try CostMeasurement().run(identity)
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      try? FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      if let data = try? model.encoded() { try? AtomicFile.write(Array(data), to: path) }
      return model
    } catch {
      note("This machine's speed could not be measured: " + ToolError(error, model: "The benchmark's model").message)
      return nil
    }
  }

  /// What a measurement holds for.
  struct Identity {
    let tool = Version.current
    let machine = Machine.current.description
    let kernel: String
    let runtime: String

    init() throws {
      kernel = try KernelTable.chosen().name
      runtime = try Library.load().version
      _ = try OpLibrary.find()
    }

    func fits(_ model: CostModel) -> Bool {
      model.tool == tool && model.machine == machine && model.kernel == kernel && model.runtime == runtime
    }

    var path: String {
      let environment = ProcessInfo.processInfo.environment
      let cache =
        environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache").path
      let key = SHA256.hexadecimal(SHA256.digest(Array("\(tool)|\(machine)|\(kernel)|\(runtime)".utf8))).prefix(16)
      return "\(cache)/isa-patch/cost-\(key).json"
    }
  }
}
