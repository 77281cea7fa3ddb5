import VideoPipeline

/// A case as a model sampled it.
public struct SampledClip: Sendable {
  public var video: Video
  public var stepSeconds: [Double]
  /// Share of the query×key products computed token by token, over all sites and steps; nil without statistics.
  public var executedDensity: Double?
  /// Relative to nothing: the first step's velocity, for single-step comparisons.
  public var firstVelocity: [Float]

  public var medianStepSeconds: Double { median(stepSeconds) }
}

/// The middle value; the mean of the two middle ones where they are two; 0 of none.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// A sample in the making: so that two models can take their steps in turn.
struct SamplingInProgress {
  let model: EditingModel
  let run: EditRun
  let point: Int?
  private(set) var x: [Float]
  private(set) var stepSeconds: [Double] = []
  private var densities: [Double] = []
  private(set) var firstVelocity: [Float] = []

  init(_ model: EditingModel, _ run: EditRun, point: Int?, noise: [Float]? = nil) {
    self.model = model
    self.run = run
    self.point = point
    x = noise ?? run.noise
  }

  mutating func advance(_ index: Int) throws {
    let step = SamplerStep(index: index, of: run.steps)
    let call = run.call(step, x: x)
    let evaluation = try model.evaluate(call, of: run, point: point)
    try Sampler.advance(run.match.adapter.sampler, x: &x, velocity: evaluation.velocity, at: step)
    stepSeconds.append(evaluation.seconds)
    if index == 0 { firstVelocity = evaluation.velocity }
    let density = evaluation.density
    if !density.isEmpty {
      densities.append(density.values.reduce(0, +) / Double(density.count))
    }
  }

  func finished() throws -> SampledClip {
    let source = run.source
    guard
      let video = Video(
        frames: source.frames, height: source.height, width: source.width,
        values: run.match.adapter.pixels.video(x), rate: source.rate)
    else { throw SamplerError.velocityCount(step: run.steps - 1, expected: source.values.count, actual: x.count) }
    return SampledClip(
      video: video, stepSeconds: stepSeconds,
      executedDensity: densities.isEmpty ? nil : densities.reduce(0, +) / Double(densities.count),
      firstVelocity: firstVelocity)
  }
}

extension EditingModel {
  /// Samples a case from noise to clip.
  /// - Throws: `ToolError` 65 where the model fails or gives values that are not finite.
  public func sample(
    _ run: EditRun, point: Int? = nil, progress: (Double) -> Void = { _ in }
  ) throws(ToolError) -> SampledClip {
    do {
      var sampling = SamplingInProgress(self, run, point: point)
      for index in 0..<run.steps {
        try sampling.advance(index)
        progress(sampling.stepSeconds.last ?? 0)
      }
      return try sampling.finished()
    } catch {
      throw ToolError(error, model: path)
    }
  }
}
