/// Why no adapter can be used as asked.
public enum AdapterError: Error, Equatable, Sendable {
  case schema(YAMLSchemaError)
  case unreadable(path: String)
  case notFound(name: String, known: [String])
  case ambiguous([String])
  case doesNotFit(adapter: String, reason: String)
  case unknownCondition(String, adapter: String, known: [String])
  case unfitSize(axis: String, length: Int, multipleOf: Int, adapter: String)
  case unfitFrames(Int, multipleOf: Int, adapter: String)
  case oneFrame(Int, adapter: String)
  case segments(adapter: String, problem: String)

  public var message: String {
    switch self {
    case .schema(let error): error.message
    case .unreadable(let path): "\(path): the adapter cannot be read; check that it is a readable text file."
    case .notFound(let name, let known):
      known.isEmpty
        ? "There is no adapter '\(name)', and no Adapters folder was found; set ISA_ADAPTERS to it or give a file."
        : "There is no adapter '\(name)'; there are \(known.joined(separator: ", ")), or give a .yaml file."
    case .ambiguous(let names):
      "The model fits the adapters \(names.joined(separator: " and ")); choose one with --adapter."
    case .doesNotFit(let adapter, let reason):
      "The adapter \(adapter) does not fit the model: \(reason); choose another with --adapter."
    case .unknownCondition(let text, let adapter, let known):
      "The adapter \(adapter) has no edit '\(text)'; it has \(known.joined(separator: ", "))."
    case .unfitSize(let axis, let length, let multipleOf, let adapter):
      "The \(axis) \(length) does not suit \(adapter); give a positive multiple of \(multipleOf)."
    case .unfitFrames(let frames, let multiple, let adapter):
      "\(frames) frames do not suit \(adapter); give --frames one more than a multiple of \(multiple)."
    case .oneFrame(let frames, let adapter):
      "\(adapter) makes pictures, not \(frames) frames; give --frames 1."
    case .segments(let adapter, let problem):
      "The segments of the adapter \(adapter) cannot be worked out: \(problem)."
    }
  }

  /// sysexits: 78 an adapter that does not fit, 66 no such file, 64 usage.
  public var exitCode: Int32 {
    switch self {
    case .schema, .doesNotFit, .ambiguous, .segments: 78
    case .unreadable, .notFound: 66
    case .unknownCondition, .unfitSize, .unfitFrames, .oneFrame: 64
    }
  }
}
