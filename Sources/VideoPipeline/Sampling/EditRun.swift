import OnnxRuntime
import SparseAttention

/// One case: a clip or its size, what guides the model, and a seed, sampled with a model. The model is a closure over
/// plain arrays, so that any session can be driven.
///
/// A sample is channels, frames, rows, columns, of pixels or of latents, whatever order the model's tensors have.
public struct EditRun: Sendable {
  /// The input that tells a patched model's sites their operating point.
  public static let pointInput = "isa.point"

  public let match: AdapterMatch
  public let size: ClipSize
  public let given: RunInputs
  public let seed: UInt64
  /// nil for models without operating points.
  public let points: PointSchedule?
  public let guidance: Guidance
  /// At its first step; a run advances a copy.
  public let sampler: Sampler
  /// Lengths of the adapter's axes that the clip sets.
  public let dimensions: [String: Int]
  /// Of the sample.
  public let grid: Grid
  public let channels: Int
  private let feed: InputFeed

  /// A call of the model, and what it is for.
  public struct Call: Sendable {
    public let step: SamplerStep
    public let point: Int64?
    /// Whether the family's second transformer is called.
    public let isLowNoise: Bool
    /// The branches of guidance that the batch holds.
    public let branches: [Guidance.Branch]
    public let inputs: [String: Tensor]
    /// The output that the sampler takes.
    public let output: String
  }

  public struct Result: Sendable {
    /// The sample: channels, frames, rows, columns.
    public let values: [Float]
    /// nil for models of latents.
    public let video: Video?
    /// Seconds of each step's model calls.
    public let stepSeconds: [Double]
  }

  /// - Parameters:
  ///   - size: of the clip that is made.
  ///   - guidanceScale: instead of the adapter's.
  /// - Throws: `AdapterError` where the clip's size does not suit the model, `SamplerError` for bad steps, no edit, no
  ///   source or no text.
  public init(
    _ match: AdapterMatch, size: ClipSize, given: RunInputs, seed: UInt64, steps: Int, guidanceScale: Double? = nil,
    points: PointSchedule? = nil
  ) throws {
    let adapter = match.adapter
    guard given.condition != nil || adapter.input(.condition) == nil else {
      throw SamplerError.conditionMissing(adapter: adapter.name)
    }
    guard let channels = match.channels else { throw SamplerError.channelsUnknown(adapter: adapter.name) }
    self.match = match
    self.size = size
    self.given = given
    self.seed = seed
    self.points = points
    self.channels = channels
    guidance = adapter.guidance.with(scale: guidanceScale)
    dimensions = try match.dimensions(frames: size.frames, width: size.width, height: size.height)
    grid = try adapter.latentGrid(frames: size.frames, width: size.width, height: size.height)
    sampler = try Sampler(adapter.sampler, steps: steps, tokens: adapter.targetTokens(dimensions))
    feed = try InputFeed(match, given: given, dimensions: dimensions, grid: grid, channels: channels)
  }

  /// A clip that is edited.
  public init(
    _ match: AdapterMatch, source: Video, condition: Int64?, seed: UInt64, steps: Int, points: PointSchedule? = nil
  ) throws {
    try self.init(
      match, size: source.size, given: RunInputs(source: source, condition: condition), seed: seed, steps: steps,
      points: points)
  }

  public var steps: Int { sampler.schedule.steps.count }

  /// x at the first step.
  public var noise: [Float] { Noise.normal(count: channels * grid.volume, seed: seed) }

  /// The calls of the model for x at a step: one a branch of guidance, or one for all.
  /// - Throws: `SamplerError` where the text file lacks an array or has one that does not fit.
  public func calls(_ step: SamplerStep, x: [Float]) throws(SamplerError) -> [Call] {
    let isLowNoise = isLowNoise(step)
    let guidance = guidance(step)
    let point = points?.point(step)
    var calls: [Call] = []
    for batch in guidance.calls(batch: match.fixedBatch) {
      var inputs = try feed.inputs(x: x, t: step.t, branches: batch, guidance: guidance)
      if let point { inputs[Self.pointInput] = Tensor(scalar: point) }
      calls.append(
        Call(
          step: step, point: point, isLowNoise: isLowNoise, branches: batch, inputs: inputs, output: match.output))
    }
    return calls
  }

  /// Whether a step is the second transformer's.
  public func isLowNoise(_ step: SamplerStep) -> Bool {
    guard let lowNoise = match.adapter.lowNoise else { return false }
    return Double(step.t) < lowNoise.below * match.adapter.sampler.timestepScale
  }

  private func guidance(_ step: SamplerStep) -> Guidance {
    isLowNoise(step) && guidance == match.adapter.guidance
      ? guidance.with(scale: match.adapter.lowNoise?.scale) : guidance
  }

  /// What the sampler takes, from the outputs of a step's calls: their shapes are checked, guidance is applied.
  public func velocity(_ outputs: [Tensor], of calls: [Call]) throws(SamplerError) -> [Float] {
    var results: [[Float]] = []
    for (output, call) in zip(outputs, calls) {
      results += try feed.videos(output, batch: call.branches.count)
    }
    guard results.count > 1 else { return results.first ?? [] }
    let combined = Guidance.combined(results, calls.flatMap(\.branches))
    guard guidance.keepsNorm, let last = results.last else { return combined }
    return withNorms(of: last, combined)
  }

  /// Every token of `values` scaled to the norm that it has in `reference`.
  private func withNorms(of reference: [Float], _ values: [Float]) -> [Float] {
    let pack = match.adapter.latent?.pack ?? Grid(frames: 1, rows: 1, columns: 1)
    let (rows, columns) = (grid.rows / pack.rows, grid.columns / pack.columns)
    func token(_ index: Int) -> Int {
      let place = index % grid.volume
      let (frame, inFrame) = place.quotientAndRemainder(dividingBy: grid.rows * grid.columns)
      let (row, column) = inFrame.quotientAndRemainder(dividingBy: grid.columns)
      return (frame / pack.frames * rows + row / pack.rows) * columns + column / pack.columns
    }
    var wanted = [Double](repeating: 0, count: grid.volume / pack.volume)
    var actual = wanted
    for index in values.indices {
      wanted[token(index)] += Double(reference[index]) * Double(reference[index])
      actual[token(index)] += Double(values[index]) * Double(values[index])
    }
    let factors = zip(wanted, actual).map { $1 > 0 ? ($0 / $1).squareRoot() : 1 }
    return values.indices.map { Float(Double(values[$0]) * factors[token($0)]) }
  }

  /// The video of a finished sample; nil where the sample is of latents.
  public func video(_ x: [Float]) -> Video? {
    guard match.adapter.latent == nil else { return nil }
    return Video(size, values: match.adapter.pixels.video(x))
  }

  /// Samples.
  /// - Parameters:
  ///   - model: runs one call and gives the output that the call names.
  ///   - progress: after each step, with the seconds that its calls took.
  /// - Throws: `SamplerError`, and what `model` throws.
  public func run(
    model: (Call) throws -> Tensor, progress: (SamplerStep, Double) -> Void = { _, _ in }
  ) throws -> Result {
    var x = noise
    var seconds: [Double] = []
    var sampler = sampler
    try sampler.run(&x) { step, x in
      let calls = try calls(step, x: x)
      let start = ContinuousClock.now
      let outputs = try calls.map(model)
      seconds.append((ContinuousClock.now - start) / .seconds(1))
      return try velocity(outputs, of: calls)
    } progress: {
      progress($0, seconds.last ?? 0)
    }
    return Result(values: x, video: video(x), stepSeconds: seconds)
  }
}

extension SamplerSettings {
  /// What the model is given for pure noise.
  var timestepScale: Double {
    switch self {
    case .flow(let flow): flow.timestepScale
    case .ddim(let ddim): Double(ddim.trainingSteps)
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
