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
