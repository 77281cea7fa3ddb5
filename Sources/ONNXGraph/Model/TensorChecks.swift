import CONNX
import Glibc

/// What every tensor of a file must keep before anything trusts its header.
struct TensorChecks {
  let folder: ExternalFolder?
  /// Sizes of data files already looked at; −1: there is no such file, which matters when it is read.
  private var sizes: [String: Int64] = [:]

  init(folder: ExternalFolder?) { self.folder = folder }

  /// The known keys of `external_data`; others are not looked at.
  static func external(_ entries: [(String, String)], tensor: String) throws(ModelError) -> ExternalData {
    var location: String?
    var offset: UInt64 = 0
    var length: UInt64?
    for (key, value) in entries {
      switch key {
      case "location": location = value
      case "offset":
        guard let number = UInt64(value), number <= UInt64(Int64.max) else {
          throw .externalDataRange(
            tensor: tensor, location: location ?? "", reason: "its offset is \(value.quoted)")
        }
        offset = number
      case "length":
        guard let number = UInt64(value), number <= UInt64(Int64.max) else {
          throw .externalDataRange(
            tensor: tensor, location: location ?? "", reason: "its length is \(value.quoted)")
        }
        length = number
      default: break
      }
    }
    let found = location ?? ""
    if let reason = ExternalFolder.refusal(of: found) {
      throw .externalDataOutside(tensor: tensor, location: found, reason: reason)
    }
    return ExternalData(location: found, offset: offset, length: length)
  }

  mutating func check(_ tensor: Tensor, _ fields: connx_tensor_fields, label: String) throws(ModelError) {
    guard tensor.dims.count <= Model.rankLimit else {
      throw .invalidTensor(name: label, reason: "it has \(tensor.dims.count) dimensions")
    }
    guard let count = tensor.elementCount else {
      let text = tensor.dims.prefix(8).map(String.init).joined(separator: "×")
      throw .invalidTensor(name: label, reason: "its dimensions \(text) are negative or overflow")
    }
    let expected = Tensor.byteCount(tensor.elementType, count: count)
    if let bits = ElementType(rawValue: tensor.elementType)?.bits, expected == nil {
      throw .invalidTensor(name: label, reason: "\(count) elements of \(bits) bits overflow")
    }
    if let external = tensor.external {
      try check(external, expected: expected, tensor: label)
    } else if fields.raw.data != nil, let expected, fields.raw.size != expected, fields.raw.size > 0 || count > 0 {
      throw .invalidTensor(
        name: label, reason: "its dimensions ask for \(expected) bytes and it holds \(fields.raw.size)")
    } else if fields.raw.data == nil, let type = ElementType(rawValue: tensor.elementType), type.bits != nil {
      let stored = Self.storedElements(fields, type)
      // No data at all is how optimizers leave a header that they do not use; half bytes stand in pairs.
      guard stored == count || stored == 0 || (type.bits == 4 && stored == count / 2 + count % 2) else {
        throw .invalidTensor(name: label, reason: "its dimensions ask for \(count) elements and it holds \(stored)")
      }
    }
  }

  /// Elements in the typed fields, with what the packed and the complex types do to their number.
  private static func storedElements(_ fields: connx_tensor_fields, _ type: ElementType) -> Int {
    let total =
      Int(fields.float_count) + Int(fields.int32_count) + Int(fields.int64_count) + Int(fields.double_count)
      + Int(fields.uint64_count)
    return switch type {
    case .complex64, .complex128: total / 2
    default: total
    }
  }

  private mutating func check(
    _ external: ExternalData, expected: Int?, tensor: String
  ) throws(ModelError) {
    if let length = external.length, let expected, length < UInt64(expected) {
      throw .externalDataRange(
        tensor: tensor, location: external.location,
        reason: "its dimensions ask for \(expected) bytes and \(length) are given")
    }
    let size = try size(of: external.location, tensor: tensor)
    guard size >= 0 else { return }
    let needed = external.length ?? UInt64(expected ?? 0)
    guard needed <= UInt64(size), external.offset <= UInt64(size) - needed else {
      throw .externalDataRange(
        tensor: tensor, location: external.location,
        reason: "\(needed) bytes from \(external.offset) on are due, and the file ends at \(size)")
    }
  }

  private mutating func size(of location: String, tensor: String) throws(ModelError) -> Int64 {
    if let known = sizes[location] { return known }
    var size: Int64 = -1
    if let found = try folder?.open(location, tensor: tensor) {
      size = found.size
      close(found.descriptor)
    }
    sizes[location] = size
    return size
  }
}
