/// Why ONNX Runtime could not be used. Each is one sentence: what, where, what to do.
public enum RuntimeError: Error, Equatable, Sendable {
  /// No shared library was found in any of the places named.
  case libraryMissing(searched: [String])
  /// It is there, but the loader refuses it.
  case libraryRefused(path: String, reason: String)
  /// It is older than API 17.
  case libraryTooOld(path: String, version: String)
  case opLibraryMissing(path: String)
  case opLibraryRefused(path: String, reason: String)
  case modelMissing(path: String)
  /// ONNX Runtime's own words on a model that it does not load.
  case modelRefused(model: String, reason: String)
  case unknownInput(name: String, known: [String])
  case missingInput(name: String)
  case unknownOutput(name: String, known: [String])
  case wrongElementType(input: String, expected: String, actual: String)
  case wrongShape(input: String, expected: String, actual: String)
  /// The values do not fill the shape.
  case wrongCount(shape: [Int], expected: Int, actual: Int)
  /// A value that is not a tensor, or of an element type that `Tensor` does not hold.
  case unsupportedValue(name: String, type: String)
  /// ONNX Runtime's own words on a run that failed.
  case runFailed(reason: String)
  /// The run was ended by `Cancellation.cancel`.
  case cancelled
  /// A call that does not fail in practice.
  case callFailed(call: String, reason: String)

  public var message: String {
    switch self {
    case .libraryMissing(let searched):
      "ONNX Runtime's shared library was not found (looked for \(searched.joined(separator: ", "))); run 'make build', "
        + "or name the file in ISA_ORT_LIBRARY."
    case .libraryRefused(let path, let reason):
      "ONNX Runtime's shared library '\(path)' does not load (\(reason)); name another in ISA_ORT_LIBRARY."
    case .libraryTooOld(let path, let version):
      "ONNX Runtime \(version) at '\(path)' is too old; name version 1.17 or newer in ISA_ORT_LIBRARY."
    case .opLibraryMissing(let path):
      "The operator library '\(path)' does not exist; run 'make build', or give its path."
    case .opLibraryRefused(let path, let reason):
      "The operator library '\(path)' does not load: \(reason)."
    case .modelMissing(let path): "The model '\(path)' does not exist or cannot be read."
    case .modelRefused(let model, let reason): "ONNX Runtime does not load \(model): \(reason)."
    case .unknownInput(let name, let known):
      "The model has no input '\(name)'; it has \(known.joined(separator: ", "))."
    case .missingInput(let name): "The model's input '\(name)' was not given."
    case .unknownOutput(let name, let known):
      "The model has no output '\(name)'; it has \(known.joined(separator: ", "))."
    case .wrongElementType(let input, let expected, let actual):
      "Input '\(input)' must be \(expected), not \(actual)."
    case .wrongShape(let input, let expected, let actual):
      "Input '\(input)' must have the shape \(expected), not \(actual)."
    case .wrongCount(let shape, let expected, let actual):
      "A tensor of shape \(shape) holds \(expected) values, but \(actual) were given."
    case .unsupportedValue(let name, let type): "The value '\(name)' is \(type), which is not supported."
    case .runFailed(let reason): "The model did not run: \(reason)."
    case .cancelled: "The run was cancelled."
    case .callFailed(let call, let reason): "ONNX Runtime's \(call) failed: \(reason)."
    }
  }
}
