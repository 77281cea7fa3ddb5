/// What is wrong with a `.safetensors` file.
public struct SafetensorsError: Error, Equatable, Sendable {
  public enum Problem: Equatable, Sendable {
    case cannotOpen
    case readFailed
    case notSafetensors
    case damaged(String)
    case unsupported(String)
    case tooLarge(limit: Int)
  }

  public let file: String
  /// The tensor, where one is meant.
  public let tensor: String?
  public let problem: Problem

  public var message: String {
    let place = tensor.map { "\(file), tensor '\($0)'" } ?? file
    return switch problem {
    case .cannotOpen: "\(place): no such file, or it cannot be read; check the path."
    case .readFailed: "\(place): reading failed; check the disk."
    case .notSafetensors: "\(place) is not a safetensors file, or it was cut off; write it anew."
    case .damaged(let what): "\(place) is damaged: \(what); write it anew."
    case .unsupported(let type): "\(place): the type \(type) is not supported; save it as F32, F16 or BF16."
    case .tooLarge(let limit): "\(place) holds more than \(limit) bytes, the limit; split the file."
    }
  }

  /// sysexits: 66 no such input, 74 I/O, 65 the data is wrong.
  public var exitCode: Int32 {
    switch problem {
    case .cannotOpen: 66
    case .readFailed: 74
    default: 65
    }
  }
}
