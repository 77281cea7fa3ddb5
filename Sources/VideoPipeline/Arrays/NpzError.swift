/// What is wrong with an `.npz` file.
public struct NpzError: Error, Equatable, Sendable {
  public enum Problem: Equatable, Sendable {
    case cannotOpen
    case readFailed
    case notZip
    case damaged(String)
    case unsupported(String)
    case tooLarge(limit: Int)
    case checksum
    case duplicateName
  }

  public let file: String
  /// The array, where one is meant.
  public let member: String?
  public let problem: Problem

  public var message: String {
    let place = member.map { "\(file), array '\($0)'" } ?? file
    return switch problem {
    case .cannotOpen: "\(place): no such file, or it cannot be read; check the path."
    case .readFailed: "\(place): reading failed; check the disk."
    case .notZip: "\(place) is not an .npz file, or it was cut off; write it anew with numpy.savez."
    case .damaged(let what): "\(place) is damaged: \(what); write it anew with numpy.savez."
    case .unsupported(let what): "\(place): \(what) is not supported; save plain numbers."
    case .tooLarge(let limit): "\(place) unpacks to more than \(limit) bytes, the limit; split the file."
    case .checksum: "\(place) is damaged: its checksum is wrong; write it anew with numpy.savez."
    case .duplicateName: "\(place) is there twice; write the file anew with numpy.savez."
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
