/// Why a run cannot go on.
public enum SamplerError: Error, Equatable, Sendable {
  case steps(Int)
  case velocityCount(step: Int, expected: Int, actual: Int)
  case velocityShape(output: String, expected: [Int], actual: [Int])
  case outputMissing(String)
  case notFinite(step: Int)
  case conditionMissing(adapter: String)
  case tooManySteps(Int, limit: Int)
  case channelsUnknown(adapter: String)
  case sourceMissing(adapter: String)
  case sourceCount(expected: Int, actual: Int)
  case textMissing(array: String, isNegative: Bool, known: [String])
  case textShape(array: String, expected: [Int?]?, [Int])
  case textLengths(array: String, [[Int]])
  case autoencoder(String, expected: [Int], actual: [Int])

  public var message: String {
    switch self {
    case .steps(let steps): "\(steps) steps cannot be run; give --steps from 1 to \(Schedule.maximumSteps)."
    case .velocityCount(let step, let expected, let actual):
      "Step \(step + 1) gave \(actual) values where \(expected) were due; the adapter does not fit the model."
    case .velocityShape(let output, let expected, let actual):
      "The output '\(output)' has the shape \(actual) where \(expected) was due; the adapter does not fit the model."
    case .outputMissing(let output): "The model gave no output '\(output)'; the adapter does not fit it."
    case .notFinite(let step):
      "Step \(step + 1) gave values that are not finite; the model or its calibration is broken for this input."
    case .conditionMissing(let adapter): "The adapter \(adapter) needs an edit; give one with --edit."
    case .tooManySteps(let steps, let limit):
      "\(steps) steps are more than the \(limit) that the family was trained with; give fewer --steps."
    case .channelsUnknown(let adapter):
      "The model's graph does not fix the channels of its output; \(adapter) cannot sample it without."
    case .sourceMissing(let adapter): "The adapter \(adapter) edits a clip; give one with --clip."
    case .sourceCount(let expected, let actual):
      "The source has \(actual) latents where the model takes \(expected); the encoder does not fit the model."
    case .textMissing(let array, let isNegative, let known):
      isNegative
        ? "Guidance needs the embeddings of a negative text, '\(array)'; give them with --negative-text, or --guidance 1."
        : "The model needs the text embeddings '\(array)'"
          + (known.isEmpty ? "" : ", and the text file has \(known.joined(separator: ", "))") + "; give them with --text."
    case .textShape(let array, let expected, let actual):
      "The text file's '\(array)' has the shape \(actual)"
        + (expected.map { ", and the model takes [\($0.map { $0.map(String.init) ?? "any" }.joined(separator: ", "))]" } ?? "")
        + "; embed the text with the model's own text encoder."
    case .textLengths(let array, let shapes):
      "The texts' '\(array)' have the shapes \(shapes.map { "\($0)" }.joined(separator: " and ")), but go in one batch; "
        + "pad them alike."
    case .autoencoder(let name, let expected, let actual):
      "The \(name) gave the shape \(actual) where \(expected) was due; it does not fit the model."
    }
  }

  /// sysexits: 64 usage, 65 the data is wrong, 78 an adapter that does not fit.
  public var exitCode: Int32 {
    switch self {
    case .steps, .conditionMissing, .tooManySteps, .sourceMissing, .textMissing: 64
    case .notFinite, .textShape, .textLengths: 65
    case .velocityCount, .velocityShape, .outputMissing, .channelsUnknown, .sourceCount, .autoencoder: 78
    }
  }
}
