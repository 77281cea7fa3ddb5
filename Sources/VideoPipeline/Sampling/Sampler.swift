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
      guard v.count == x.count else {
        throw SamplerError.velocityCount(step: index, expected: x.count, actual: v.count)
      }
      switch kind {
      case .flowEuler: eulerStep(&x, v, steps: Float(steps))
      }
      guard x.allSatisfy(\.isFinite) else { throw SamplerError.notFinite(step: index) }
      progress(step)
    }
  }

  /// x − v/steps.
  private static func eulerStep(_ x: inout [Float], _ v: [Float], steps: Float) {
    for i in x.indices { x[i] -= v[i] / steps }
  }
}
