/// Why a model cannot be read or edited.
public enum ModelError: Error, Hashable, Sendable {
  case noSuchFile(path: String)
  case cannotRead(path: String, reason: String)
  case notAFile(path: String)
  case empty(path: String)
  case notONNX(path: String)
  case truncated(path: String, offset: Int)
  case malformed(path: String, offset: Int)
  /// Larger than protobuf's 2 GiB.
  case tooLarge(path: String, bytes: Int64)
  case nestedTooDeeply(path: String, where: String)
  case notUTF8(where: String)
  case invalidTensor(name: String, reason: String)
  case externalDataOutside(tensor: String, location: String, reason: String)
  case externalDataRange(tensor: String, location: String, reason: String)
  case externalDataMissing(tensor: String, location: String, reason: String)
  case duplicateName(name: String, where: String)
  case cycle(where: String)
  case invalidGraph(where: String, reason: String)
  case outOfMemory(path: String)
  /// An edit that does not fit its model: a bug of the caller.
  case invalidEdit(reason: String)
  /// The patched file holds no original, or not the one that it says.
  case notRestorable(reason: String)

  public enum Category: Sendable {
    /// No such input: exit code 66.
    case noInput
    /// The data is wrong: exit code 65.
    case data
    /// The system refused: exit code 74.
    case io
    /// A bug of ours: exit code 70.
    case software

    public var exitCode: Int32 {
      switch self {
      case .noInput: 66
      case .data: 65
      case .io: 74
      case .software: 70
      }
    }
  }

  public var category: Category {
    switch self {
    case .noSuchFile, .externalDataMissing: .noInput
    case .cannotRead, .outOfMemory: .io
    case .invalidEdit: .software
    default: .data
    }
  }

  /// One sentence: what, where, what to do.
  public var message: String {
    switch self {
    case .noSuchFile(let path):
      "There is no file \(path.quoted); check the path."
    case .cannotRead(let path, let reason):
      "\(path.quoted) cannot be read: \(reason); check its permissions and the disk."
    case .notAFile(let path):
      "\(path.quoted) is not a regular file; give the path of an ONNX model."
    case .empty(let path):
      "\(path.quoted) is empty; export or download the model again."
    case .notONNX(let path):
      "\(path.quoted) is not an ONNX model; give the path of a file in ONNX's own format."
    case .truncated(let path, let offset):
      "\(path.quoted) ends in the middle of the field at byte \(offset); export or download the model again."
    case .malformed(let path, let offset):
      "\(path.quoted) is damaged\(offset > 0 ? " near byte \(offset)" : ""); export or download the model again."
    case .tooLarge(let path, let bytes):
      "\(path.quoted) would hold \(bytes) bytes, and protobuf ends at 2 GiB; save its weights as external data."
    case .nestedTooDeeply(let path, let place):
      "\(path.quoted) nests graphs or types more than \(Model.nestingLimit) deep"
        + "\(place.isEmpty ? "" : " at \(place.quoted)"); inline them first."
    case .notUTF8(let place):
      "A name in \(place.quoted) is not UTF-8; rename it and save the model again."
    case .invalidTensor(let name, let reason):
      "Tensor \(name.quoted) is invalid: \(reason); export the model again."
    case .externalDataOutside(let tensor, let location, let reason):
      "Tensor \(tensor.quoted) has its data in \(location.quoted), \(reason); "
        + "keep external data inside the model's folder."
    case .externalDataRange(let tensor, let location, let reason):
      "Tensor \(tensor.quoted) has no such data in \(location.quoted): \(reason); copy the data file again."
    case .externalDataMissing(let tensor, let location, let reason):
      "The data of tensor \(tensor.quoted) in \(location.quoted) cannot be read: \(reason); "
        + "put the file beside the model."
    case .duplicateName(let name, let place):
      "The name \(name.quoted) is given twice in \(place.isEmpty ? "the main graph" : place.quoted); "
        + "rename one of the values."
    case .cycle(let place):
      "\(place.quoted) depends on itself; export the model again."
    case .invalidGraph(let place, let reason):
      "\(place.isEmpty ? "The model" : place.quoted) is invalid: \(reason); export the model again."
    case .outOfMemory(let path):
      "There is not enough memory to read \(path.quoted); close other programs or use a larger machine."
    case .invalidEdit(let reason):
      "An edit does not fit its model: \(reason); please report this."
    case .notRestorable(let reason):
      "The original cannot be restored: \(reason); restore it from a file that isa-patch wrote."
    }
  }
}

extension String {
  /// For messages: in quotes, bounded, without control characters, since names come from untrusted files.
  package var quoted: String {
    let limit = 120
    let head = unicodeScalars.prefix(limit).map { $0.value < 0x20 || $0.value == 0x7f ? "?" : String($0) }.joined()
    return "'\(head)\(unicodeScalars.count > limit ? "…" : "")'"
  }
}
