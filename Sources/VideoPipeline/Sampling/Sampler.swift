/// Samplers: from noise to a video, a model call a step. Deterministic: one thread, float32, fixed order.
public enum Sampler {
  /// Most steps of a run.
  public static let maximumSteps = 10_000

  /// Runs all steps.
  /// - Parameters:
  ///   - x: the noise at the start, the sample at the end.
  ///   - velocity: the model, dx/dt at x and t; as many values as x.
  ///   - progress: after each step.
  /// - Throws: `SamplerError`, and what `velocity` throws.
  public static func run(
    _ kind: Adapter.SamplerKind, steps: Int, x: inout [Float],
    velocity: (SamplerStep, [Float]) throws -> [Float], progress: (SamplerStep) -> Void = { _ in }
  ) throws {
    guard (1...maximumSteps).contains(steps) else { throw SamplerError.steps(steps) }
    for index in 0..<steps {
      let step = SamplerStep(index: index, of: steps)
      let v = try velocity(step, x)
      try advance(kind, x: &x, velocity: v, at: step)
      progress(step)
    }
  }

  /// One step, for callers that drive several samples in turn.
  /// - Throws: `SamplerError` for another count and for values that are not finite.
  public static func advance(
    _ kind: Adapter.SamplerKind, x: inout [Float], velocity: [Float], at step: SamplerStep
  ) throws(SamplerError) {
    guard velocity.count == x.count else {
      throw .velocityCount(step: step.index, expected: x.count, actual: velocity.count)
    }
    switch kind {
    case .flowEuler: eulerStep(&x, velocity, steps: Float(step.steps))
    }
    guard x.allSatisfy(\.isFinite) else { throw .notFinite(step: step.index) }
  }

  /// x − v/steps.
  private static func eulerStep(_ x: inout [Float], _ v: [Float], steps: Float) {
    for i in x.indices { x[i] -= v[i] / steps }
  }
}
