import VideoPipeline

/// A case as a model sampled it.
public struct SampledClip: Sendable {
  /// Decoded, where the sample is of latents.
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
  private var sampler: Sampler

  init(_ model: EditingModel, _ run: EditRun, point: Int?, noise: [Float]? = nil) {
    self.model = model
    self.run = run
    self.point = point
    x = noise ?? run.noise
    sampler = run.sampler
  }

  mutating func advance(_ index: Int) throws {
    let calls = try run.calls(sampler.schedule.steps[index], x: x)
    let evaluation = try model.evaluate(calls, of: run, point: point)
    try sampler.advance(&x, output: evaluation.velocity, at: index)
    stepSeconds.append(evaluation.seconds)
    if index == 0 { firstVelocity = evaluation.velocity }
    let density = evaluation.density
    if !density.isEmpty {
      densities.append(density.values.reduce(0, +) / Double(density.count))
    }
  }

  func finished() throws -> SampledClip {
    return SampledClip(
      video: try model.video(x, of: run), stepSeconds: stepSeconds,
      executedDensity: densities.isEmpty ? nil : densities.reduce(0, +) / Double(densities.count),
      firstVelocity: firstVelocity)
  }
}

extension EditingModel {
  /// Samples a case from noise to clip.
  /// - Throws: `ToolError` 65 where the model fails or gives values that are not finite, 69 without the VAE's decoder where
  ///   one is needed.
  public func sample(
    _ run: EditRun, point: Int? = nil, progress: (Double) -> Void = { _ in }
  ) throws(ToolError) -> SampledClip {
    let sampling = try sampling(run, point: point, progress: progress)
    do { return try sampling.finished() } catch { throw ToolError(error, model: path) }
  }

  /// All steps of a case, not decoded.
  func sampling(
    _ run: EditRun, point: Int?, progress: (Double) -> Void
  ) throws(ToolError) -> SamplingInProgress {
    do {
      var sampling = SamplingInProgress(self, run, point: point)
      for index in 0..<run.steps {
        try sampling.advance(index)
        progress(sampling.stepSeconds.last ?? 0)
      }
      return sampling
    } catch {
      throw ToolError(error, model: path)
    }
  }
}
