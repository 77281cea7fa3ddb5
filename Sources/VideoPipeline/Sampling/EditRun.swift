import OnnxRuntime

/// One case: a clip, an edit and a seed, sampled with a model. The model is a closure over plain arrays, so that any
/// session can be driven.
public struct EditRun: Sendable {
  /// The input that tells a patched model's sites their operating point.
  public static let pointInput = "isa.point"

  public let match: AdapterMatch
  public let source: Video
  public let condition: Int64?
  public let seed: UInt64
  public let steps: Int
  /// nil for models without operating points.
  public let points: PointSchedule?
  /// Lengths of the adapter's axes.
  public let dimensions: [String: Int]
  private let sourceArray: Tensor?

  /// A step's inputs for the model, and what they are for.
  public struct Call: Sendable {
    public let step: SamplerStep
    public let point: Int64?
    public let inputs: [String: Tensor]
    /// The output that is the velocity.
    public let output: String
  }

  public struct Result: Sendable {
    public let video: Video
    /// Seconds of each model call.
    public let stepSeconds: [Double]
  }

  /// - Throws: `AdapterError` where the clip's size does not suit the model, `SamplerError` for bad steps or no edit.
  public init(
    _ match: AdapterMatch, source: Video, condition: Int64?, seed: UInt64, steps: Int, points: PointSchedule? = nil
  ) throws {
    guard (1...Sampler.maximumSteps).contains(steps) else { throw SamplerError.steps(steps) }
    guard condition != nil || match.adapter.input(.condition) == nil else {
      throw SamplerError.conditionMissing(adapter: match.adapter.name)
    }
    self.match = match
    self.source = source
    self.condition = condition
    self.seed = seed
    self.steps = steps
    self.points = points
    dimensions = try match.dimensions(frames: source.frames, width: source.width, height: source.height)
    sourceArray = Self.array(match.adapter.pixels.model(source.values), .source, match, dimensions)
  }

  /// x at the first step.
  public var noise: [Float] { Noise.normal(count: source.values.count, seed: seed) }

  /// The model's inputs for x at a step.
  public func call(_ step: SamplerStep, x: [Float]) -> Call {
    var inputs: [String: Tensor] = [:]
    for input in match.adapter.inputs {
      let array: Tensor? =
        switch input.role {
        case .sample: Self.array(x, .sample, match, dimensions)
        case .source: sourceArray
        case .timestep: Self.array(repeating: step.t, .timestep, match, dimensions)
        case .condition: conditionArray(input)
        }
      inputs[input.port.name] = array
    }
    let point = points?.point(step)
    if let point { inputs[Self.pointInput] = Tensor(scalar: point) }
    return Call(step: step, point: point, inputs: inputs, output: match.adapter.outputs.first?.name ?? "")
  }

  /// Samples.
  /// - Parameters:
  ///   - model: runs one call and gives the output that the call names.
  ///   - progress: after each step, with the seconds that its call took.
  /// - Throws: `SamplerError`, and what `model` throws.
  public func run(
    model: (Call) throws -> Tensor, progress: (SamplerStep, Double) -> Void = { _, _ in }
  ) throws -> Result {
    var x = noise
    var seconds: [Double] = []
    try Sampler.run(match.adapter.sampler, steps: steps, x: &x) { step, x in
      let call = call(step, x: x)
      let start = ContinuousClock.now
      let output = try model(call)
      seconds.append((ContinuousClock.now - start) / .seconds(1))
      return try velocity(output, of: call)
    } progress: {
      progress($0, seconds.last ?? 0)
    }
    let values = match.adapter.pixels.video(x)
    guard
      let video = Video(
        frames: source.frames, height: source.height, width: source.width, values: values, rate: source.rate)
    else { throw SamplerError.velocityCount(step: steps - 1, expected: source.values.count, actual: values.count) }
    return Result(video: video, stepSeconds: seconds)
  }

  /// Checks an output's shape and gives its values.
  public func velocity(_ output: Tensor, of call: Call) throws(SamplerError) -> [Float] {
    if let port = match.adapter.outputs.first {
      let expected = Self.shape(port, dimensions)
      guard output.shape == expected else {
        throw .velocityShape(output: port.name, expected: expected, actual: output.shape)
      }
    }
    return output.floats
  }

  private func conditionArray(_ input: Adapter.Input) -> Tensor? {
    let shape = Self.shape(input.port, dimensions)
    let values = [Int64](repeating: condition ?? 0, count: elementCount(shape) ?? 0)
    return switch match.types[input.port.name] {
    case .int32: try? Tensor(values.map { Int32(truncatingIfNeeded: $0) }, shape: shape)
    case .int64, nil: try? Tensor(values, shape: shape)
    case let type?: try? Tensor(floats: values.map { Float($0) }, shape: shape, as: type)
    }
  }

  private static func array(
    _ values: [Float], _ role: Adapter.Role, _ match: AdapterMatch, _ dimensions: [String: Int]
  ) -> Tensor? {
    guard let port = match.adapter.input(role)?.port else { return nil }
    return try? Tensor(floats: values, shape: shape(port, dimensions), as: match.types[port.name] ?? .float32)
  }

  private static func array(
    repeating value: Float, _ role: Adapter.Role, _ match: AdapterMatch, _ dimensions: [String: Int]
  ) -> Tensor? {
    guard let port = match.adapter.input(role)?.port else { return nil }
    let count = elementCount(shape(port, dimensions)) ?? 0
    return array(Array(repeating: value, count: count), role, match, dimensions)
  }

  private static func shape(_ port: Adapter.Port, _ dimensions: [String: Int]) -> [Int] {
    port.dims.map { dim in
      switch dim {
      case .fixed(let length): length
      case .named(let name): dimensions[name] ?? 1
      }
    }
  }
}

extension Adapter.PixelRange {
  /// From [−1, 1] to the model's range.
  func model(_ values: [Float]) -> [Float] {
    if black == -1, white == 1 { return values }
    return values.map { Float(black + (Double($0) + 1) / 2 * (white - black)) }
  }

  /// From the model's range to [−1, 1].
  public func video(_ values: [Float]) -> [Float] {
    if black == -1, white == 1 { return values }
    return values.map { Float((Double($0) - black) / (white - black) * 2 - 1) }
  }
}
