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
  let companions: CompanionModels
  private let session: Session
  /// The family's other transformer.
  private let other: (companion: Companion, session: Session)?

  /// What loading a model needs.
  public struct Loading: Sendable {
    public var threads = 0
    public var adapter: String?
    /// Off where two sessions run in turn, which would disturb each other.
    public var spinning = true
    public var profilePrefix: String?
    /// Models that go with this one, where they are not to be looked for beside it.
    public var companions: [Companion: String]
    /// Whether the command runs models without an adapter too, on arrays.
    public var takesArrays = false

    public init(
      threads: Int = 0, adapter: String? = nil, spinning: Bool = true, profilePrefix: String? = nil,
      companions: [Companion: String] = [:]
    ) {
      self.threads = threads
      self.adapter = adapter
      self.spinning = spinning
      self.profilePrefix = profilePrefix
      self.companions = companions
    }

    public init(_ options: SamplingOptions, spinning: Bool = true, profilePrefix: String? = nil) {
      self.init(
        threads: options.threads ?? 0, adapter: options.adapter, spinning: spinning, profilePrefix: profilePrefix,
        companions: options.companions)
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
      try model.checkExternalData()
      let library = try Library.load()
      var options = Session.Options(threads: loading.threads)
      if PatchedModel.hasOperators(model) { options.opLibraries = [try OpLibrary.find(besideModel: path)] }
      options.spinning = loading.spinning
      options.profilePrefix = loading.profilePrefix
      if bytes != nil {
        options.externalDataFolder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      }
      companions = CompanionModels(beside: path, given: loading.companions, threads: loading.threads)
      session = try Session(library, model: bytes.map { .bytes($0) } ?? .path(path), options: options)
      match = try EditingModel.match(model, path: path, loading, companions.present)
      if match.adapter.lowNoise == nil {
        other = nil
      } else {
        let companion: Companion = companions.path(.lowNoise) == nil ? .highNoise : .lowNoise
        other = (companion, try companions.session(companion))
      }
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

  private static func match(
    _ model: Model, path: String, _ loading: Loading, _ companions: Set<Companion>
  ) throws -> AdapterMatch {
    if let match = try ModelAdapter.match(model, named: loading.adapter, companions: companions) { return match }
    // What patching adds is none of the model's own.
    let inputs = model.graph.inputs.map(\.name).filter { $0 != RewriteNames.point }.joined(separator: ", ")
    throw ToolError(
      "No adapter fits \(path) (inputs \(inputs)); give one with --adapter, "
        + (loading.takesArrays
          ? "or run arrays with --inputs." : "a file such as those of Adapters, whose README says how."),
      .configuration)
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

  /// One step's evaluation: each of its calls.
  /// - Parameter point: operating point; nil for the model's default.
  public func evaluate(_ calls: [EditRun.Call], of run: EditRun, point: Int? = nil) throws -> Evaluation {
    var outputs: [OnnxRuntime.Tensor] = []
    var seen: [String: [Float]] = [:]
    let start = ContinuousClock.now
    for call in calls {
      let session = session(for: call)
      var inputs = call.inputs
      if let point, session.overridableInitializers.contains(where: { $0.name == RewriteNames.point }) {
        inputs[RewriteNames.point] = OnnxRuntime.Tensor(scalar: Int64(point))
      }
      let extra = statistics.filter { site in session.outputs.contains { $0.name == site.value } }
      let results = try session.run(inputs, outputs: [call.output] + extra.values.sorted())
      guard let output = results[call.output] else { throw SamplerError.outputMissing(call.output) }
      outputs.append(output)
      for (site, name) in extra { seen[site, default: []] += results[name]?.floats ?? [] }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return Evaluation(velocity: try run.velocity(outputs, of: calls), seconds: seconds, statistics: seen)
  }

  private func session(for call: EditRun.Call) -> Session {
    guard let other else { return session }
    return call.isLowNoise == (other.companion == .lowNoise) ? other.session : session
  }

  /// The video of a finished sample, through the VAE's decoder where it is of latents.
  func video(_ x: [Float], of run: EditRun) throws -> Video {
    if let video = run.video(x) { return video }
    return try companions.decoded(x, size: run.size, Autoencoder(run))
  }

  /// Ends profiling and returns the file.
  func endProfiling() throws(ToolError) -> String {
    do throws(RuntimeError) { return try session.endProfiling() } catch { throw ToolError(error, model: path) }
  }
}
