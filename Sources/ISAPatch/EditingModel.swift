import Foundation
import OnnxRuntime
import VideoPipeline

/// A model that is loaded and edits clips: the original or a patched one.
public final class EditingModel: Sendable {
  public let path: String
  public let match: AdapterMatch
  /// Outputs that carry statistics, by site.
  public let statistics: [String: String]
  /// Whether an operating point can be chosen for each run.
  public let hasPoints: Bool
  private let session: Session

  /// What loading a model needs.
  public struct Loading: Sendable {
    public var threads: Int
    public var adapter: String?
    /// Off where two sessions run in turn, which would disturb each other.
    public var spinning = true
    public var profilePrefix: String?

    public init(threads: Int, adapter: String? = nil, spinning: Bool = true, profilePrefix: String? = nil) {
      self.threads = threads
      self.adapter = adapter
      self.spinning = spinning
      self.profilePrefix = profilePrefix
    }
  }

  /// - Parameter bytes: the model where it is not the file at `path`, which then names the folder of external data.
  /// - Throws: `ToolError`: 69 where ONNX Runtime or the operator library is missing, 65 where the model does not load, 78
  ///   where no adapter fits.
  public init(path: String, bytes: [UInt8]? = nil, loading: Loading) throws(ToolError) {
    let library: Library
    let session: Session
    do {
      library = try Library.load()
      var options = Session.Options(threads: loading.threads, opLibraries: [])
      if bytes != nil || (try ModelFile.usesOperators(path)) { options.opLibraries = [try OpLibrary.find()] }
      options.spinning = loading.spinning
      options.profilePrefix = loading.profilePrefix
      if bytes != nil {
        options.externalDataFolder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      }
      session = try Session(library, model: bytes.map { .bytes($0) } ?? .path(path), options: options)
    } catch let error as RuntimeError {
      throw ToolError(error, model: path)
    } catch let error as ToolError {
      throw error
    } catch {
      throw ToolError("\(path) cannot be loaded: \(error).", .softwareBug)
    }
    self.path = path
    self.session = session
    match = try EditingModel.match(session, path: path, adapter: loading.adapter)
    var statistics: [String: String] = [:]
    for output in session.outputs where output.name.hasPrefix(PatchNames.statisticsPrefix) {
      statistics[String(output.name.dropFirst(PatchNames.statisticsPrefix.count))] = output.name
    }
    self.statistics = statistics
    hasPoints = session.overridableInitializers.contains { $0.name == PatchNames.point }
  }

  private static func match(_ session: Session, path: String, adapter: String?) throws(ToolError) -> AdapterMatch {
    func port(_ value: ValueInfo) -> ModelInterface.Port {
      ModelInterface.Port(
        name: value.name, type: value.elementType.flatMap { VideoPipeline.ElementType(rawValue: "\($0)") },
        dims: value.dimensions.map {
          switch $0 {
          case .fixed(let n): .fixed(n)
          case .symbol(let name): .symbolic(name)
          case .unknown: .unknown
          }
        })
    }
    let interface = ModelInterface(inputs: session.inputs.map(port), outputs: session.outputs.map(port))
    do throws(AdapterError) {
      let library = try AdapterLibrary.find()
      if let adapter { return try library.adapter(adapter).match(interface) }
      if let match = try library.recognise(interface) { return match }
    } catch {
      throw ToolError(error.message, .configuration)
    }
    throw ToolError(
      "No adapter fits \(path) (inputs \(session.inputs.map(\.name).joined(separator: ", "))); give one with --adapter, or "
        + "run tensors with --inputs.", .configuration)
  }

  /// What one evaluation gave.
  public struct Step: Sendable {
    /// [1, 3, F, H, W], flattened.
    public var velocity: [Float]
    public var seconds: Double
    /// Executed density by site, mean over heads; empty without statistics outputs.
    public var density: [String: Double]
  }

  /// One evaluation of the model.
  /// - Parameter point: operating point; nil for the model's default.
  /// - Throws: `ToolError` 65 where ONNX Runtime refuses the inputs or fails.
  public func step(
    _ sample: [Float], source: Video, time: Float, condition: Int64, point: Int? = nil
  ) throws(ToolError) -> Step {
    do {
      var feed: [String: Tensor] = [:]
      for input in match.adapter.inputs {
        let type = match.types[input.port.name].flatMap { OnnxRuntime.ElementType(named: $0.rawValue) } ?? .float32
        feed[input.port.name] =
          switch input.role {
          case .sample: try Tensor(floats: sample, shape: source.shape, as: type)
          case .source: try Tensor(floats: source.values, shape: source.shape, as: type)
          case .timestep: try Tensor(floats: [time], shape: [1], as: type)
          case .condition: try Tensor([condition], shape: [1])
          }
      }
      if let point, hasPoints { feed[PatchNames.point] = Tensor(scalar: Int64(point)) }
      let output = match.adapter.outputs[0].name
      let start = ContinuousClock.now
      let results = try session.run(feed, outputs: [output] + statistics.values.sorted())
      let seconds = Double((ContinuousClock.now - start) / .seconds(1))
      var density: [String: Double] = [:]
      for (site, name) in statistics {
        guard let values = results[name]?.floats, !values.isEmpty else { continue }
        let first = stride(from: 0, to: values.count, by: 4).map { Double(values[$0]) }
        density[site] = first.reduce(0, +) / Double(first.count)
      }
      guard let velocity = results[output]?.floats, velocity.count == sample.count else {
        throw ToolError("\(path) gave an output of another size than its sample; choose another adapter.", .dataError)
      }
      return Step(velocity: velocity, seconds: seconds, density: density)
    } catch let error as RuntimeError {
      throw ToolError(error, model: path)
    } catch let error as ToolError {
      throw error
    } catch {
      throw ToolError("\(path) did not run: \(error).", .softwareBug)
    }
  }

  /// Ends profiling and returns the file.
  func endProfiling() throws(ToolError) -> String {
    do throws(RuntimeError) { return try session.endProfiling() } catch { throw ToolError(error, model: path) }
  }
}

extension OnnxRuntime.ElementType {
  /// By the name that adapters and messages use, as in `float32`.
  init?(named name: String) {
    guard let found = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
    self = found
  }
}

extension ToolError {
  /// What ONNX Runtime's errors mean to a user.
  init(_ error: RuntimeError, model: String) {
    switch error {
    case .libraryMissing, .libraryRefused, .libraryTooOld, .opLibraryMissing, .opLibraryRefused:
      self.init(error.message, .unavailable)
    case .modelMissing: self.init(error.message, .noInput)
    case .cancelled: self.init(error.message, .interrupted)
    case .callFailed: self.init(error.message, .softwareBug)
    default: self.init(ToolError.oneLine(error.message), .dataError)
    }
  }

  /// ONNX Runtime's texts have several lines.
  static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
