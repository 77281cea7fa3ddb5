import AttentionPatterns
import Foundation
import ONNXGraph
import OnnxRuntime
import VideoPipeline

/// A model that is loaded and edits clips: the original or a patched one.
public final class EditingModel: Sendable {
  public let path: String
  public let match: AdapterMatch
  /// Graph outputs that carry statistics, by site.
  public let statistics: [String: String]
  /// Whether an operating point can be chosen for each run.
  public let hasPoints: Bool
  /// The quality dial that a calibrated model carries.
  public let dial: QualityDial?
  private let session: Session

  /// What loading a model needs.
  public struct Loading: Sendable {
    public var threads = 0
    public var adapter: String?
    /// Off where two sessions run in turn, which would disturb each other.
    public var spinning = true
    public var profilePrefix: String?

    public init(threads: Int = 0, adapter: String? = nil, spinning: Bool = true, profilePrefix: String? = nil) {
      self.threads = threads
      self.adapter = adapter
      self.spinning = spinning
      self.profilePrefix = profilePrefix
    }
  }

  /// - Parameter bytes: the model where it is not the file at `path`, which then names the folder of external data.
  /// - Throws: `ToolError`: 65, 66 and 74 for the file, 69 where ONNX Runtime or the operator library is missing, 78 where
  ///   no adapter fits.
  public init(path: String, bytes: [UInt8]? = nil, loading: Loading) throws(ToolError) {
    self.path = path
    do {
      // Read by us first: what is wrong with a file is told by its node or tensor, and our operators by their domain.
      let model = try bytes.map { try Model.load(bytes: $0, path: path) } ?? Model.load(path: path)
      let library = try Library.load()
      var options = Session.Options(threads: loading.threads)
      if model.opsets[RewriteNames.domain] != nil { options.opLibraries = [try OpLibrary.find(besideModel: path)] }
      options.spinning = loading.spinning
      options.profilePrefix = loading.profilePrefix
      if bytes != nil {
        options.externalDataFolder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      }
      session = try Session(library, model: bytes.map { .bytes($0) } ?? .path(path), options: options)
      match = try EditingModel.match(session, path: path, adapter: loading.adapter)
      dial = QualityDial(metadata: model.metadata)
    } catch {
      throw ToolError(error, model: path)
    }
    var statistics: [String: String] = [:]
    for output in session.outputs where output.name.hasPrefix(RewriteNames.statisticsPrefix) {
      statistics[String(output.name.dropFirst(RewriteNames.statisticsPrefix.count))] = output.name
    }
    self.statistics = statistics
    hasPoints = session.overridableInitializers.contains { $0.name == RewriteNames.point }
  }

  private static func match(_ session: Session, path: String, adapter: String?) throws -> AdapterMatch {
    func port(_ value: OnnxRuntime.ValueInfo) -> ModelInterface.Port {
      ModelInterface.Port(
        name: value.name, type: value.elementType,
        dims: value.dimensions.map {
          switch $0 {
          case .fixed(let n): .fixed(n)
          case .symbol(let name): .symbolic(name)
          case .unknown: .unknown
          }
        })
    }
    let interface = ModelInterface(inputs: session.inputs.map(port), outputs: session.outputs.map(port))
    let library = try AdapterLibrary.find()
    if let adapter { return try library.adapter(adapter).match(interface) }
    if let match = try library.recognise(interface) { return match }
    throw ToolError(
      "No adapter fits \(path) (inputs \(session.inputs.map(\.name).joined(separator: ", "))); give one with --adapter, or "
        + "run tensors with --inputs.", .configuration)
  }

  /// What one evaluation gave.
  public struct Evaluation: Sendable {
    public var velocity: [Float]
    public var seconds: Double
    /// Of each site, its statistics output as it is, row-major; empty without such outputs.
    public var statistics: [String: [Float]]

    /// Executed density by site, mean over batch and heads.
    public var density: [String: Double] {
      statistics.compactMapValues { values in
        let first = stride(from: 0, to: values.count, by: 4).map { Double(values[$0]) }
        return first.isEmpty ? nil : first.reduce(0, +) / Double(first.count)
      }
    }
  }

  /// One evaluation of the model.
  /// - Parameter point: operating point; nil for the model's default.
  public func evaluate(_ call: EditRun.Call, of run: EditRun, point: Int? = nil) throws -> Evaluation {
    var inputs = call.inputs
    if let point, hasPoints { inputs[RewriteNames.point] = Tensor(scalar: Int64(point)) }
    let start = ContinuousClock.now
    let results = try session.run(inputs, outputs: [call.output] + statistics.values.sorted())
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    guard let output = results[call.output] else { throw SamplerError.outputMissing(call.output) }
    return Evaluation(
      velocity: try run.velocity(output, of: call), seconds: seconds,
      statistics: statistics.compactMapValues { results[$0]?.floats })
  }

  /// Ends profiling and returns the file.
  func endProfiling() throws(ToolError) -> String {
    do throws(RuntimeError) { return try session.endProfiling() } catch { throw ToolError(error, model: path) }
  }
}
