import CalibrationCore
import ONNXGraph
import OnnxRuntime
import VideoPipeline

extension ToolError {
  /// What an error of one of the modules means to a user.
  /// - Parameter model: the model at work, where the error does not name it.
  public init(_ error: any Error, model: String) {
    switch error {
    case let error as ToolError: self = error
    case let error as RuntimeError: self.init(error, model: model)
    case let error as ModelError: self.init(error.message, code: error.category.exitCode)
    case let error as ClipError: self.init(error.message, code: error.exitCode)
    case let error as AdapterError: self.init(error.message, code: error.exitCode)
    case let error as SamplerError: self.init(error.message, code: error.exitCode)
    case let error as NpzError: self.init(error.message, code: error.exitCode)
    case let error as SafetensorsError: self.init(error.message, code: error.exitCode)
    case let error as CalibrationError: self.init(error)
    default: self.init("\(model) could not be worked on: \(error).", .softwareBug)
    }
  }

  private init(_ message: String, code: Int32) {
    self.init(ToolError.oneLine(message), ExitStatus(rawValue: code) ?? .softwareBug)
  }

  private init(_ error: RuntimeError, model: String) {
    switch error {
    case .libraryMissing, .libraryRefused, .libraryTooOld, .opLibraryMissing, .opLibraryRefused:
      self.init(ToolError.oneLine(error.message), .unavailable)
    case .modelMissing: self.init(error.message, .noInput)
    case .cancelled: self.init(error.message, .interrupted)
    case .callFailed: self.init(ToolError.oneLine(error.message), .softwareBug)
    case .modelRefused(_, let reason), .runFailed(let reason):
      self.init("\(model) does not run: \(ToolError.oneLine(reason)).", .dataError)
    default: self.init(ToolError.oneLine(error.message), .dataError)
    }
  }

  /// ONNX Runtime's texts have several lines.
  static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
