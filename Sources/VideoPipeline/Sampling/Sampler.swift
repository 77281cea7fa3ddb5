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

/// Why a run cannot go on.
public enum SamplerError: Error, Equatable, Sendable {
  case steps(Int)
  case velocityCount(step: Int, expected: Int, actual: Int)
  case velocityShape(output: String, expected: [Int], actual: [Int])
  case outputMissing(String)
  case notFinite(step: Int)
  case conditionMissing(adapter: String)

  public var message: String {
    switch self {
    case .steps(let steps): "\(steps) steps cannot be run; give --steps from 1 to \(Sampler.maximumSteps)."
    case .velocityCount(let step, let expected, let actual):
      "Step \(step + 1) gave \(actual) values where \(expected) were due; the adapter does not fit the model."
    case .velocityShape(let output, let expected, let actual):
      "The output '\(output)' has the shape \(actual) where \(expected) was due; the adapter does not fit the model."
    case .outputMissing(let output): "The model gave no output '\(output)'; the adapter does not fit it."
    case .notFinite(let step):
      "Step \(step + 1) gave values that are not finite; the model or its calibration is broken for this input."
    case .conditionMissing(let adapter): "The adapter \(adapter) needs an edit; give one with --edit."
    }
  }

  /// sysexits: 64 usage, 65 the data is wrong, 78 an adapter that does not fit.
  public var exitCode: Int32 {
    switch self {
    case .steps, .conditionMissing: 64
    case .notFinite: 65
    case .velocityCount, .velocityShape, .outputMissing: 78
    }
  }
}
