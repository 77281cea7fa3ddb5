import OnnxRuntime

/// The `.npy` format, versions 1 to 3: plain numbers, in either order of bytes and of dimensions; written little-endian
/// in C order.
enum Npy {
  enum Failure: Error {
    case damaged(String)
    case unsupported(String)

    var problem: NpzError.Problem {
      switch self {
      case .damaged(let what): .damaged(what)
      case .unsupported(let what): .unsupported(what)
      }
    }
  }

  static let types: [(descriptor: String, type: ElementType)] = [
    ("<f2", .float16), ("<f4", .float32), ("<f8", .float64),
    ("|i1", .int8), ("<i2", .int16), ("<i4", .int32), ("<i8", .int64),
    ("|u1", .uint8), ("<u2", .uint16), ("<u4", .uint32), ("<u8", .uint64), ("|b1", .bool),
    // What numpy writes for the bfloat16 of ml_dtypes: two bytes without a meaning of their own.
    ("<V2", .bfloat16),
  ]

  private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]

  static func parse(_ bytes: [UInt8]) throws(Failure) -> Tensor {
    guard bytes.count >= 10, Array(bytes[0..<6]) == magic else { throw .damaged("it is not an .npy array") }
    let record = LittleEndian(bytes: Array(bytes[0..<min(12, bytes.count)]))
    guard (1...3).contains(bytes[6]) else { throw .unsupported(".npy version \(bytes[6])") }
    let (length, start) = bytes[6] == 1 ? (record.u16(8), 10) : (record.u32(8), 12)
    guard let length, length <= 1 << 16, start <= bytes.count, length <= bytes.count - start else {
      throw .damaged("the header is cut off")
    }
    var header = NpyHeader(bytes: Array(bytes[start..<start + length]))
    guard let fields = header.parse() else { throw .damaged("the header is not understood") }
    // "=" and, for bytes, any order are written by some programs.
    guard let type = types.first(where: { fields.descriptor.dropFirst() == $0.descriptor.dropFirst() })?.type,
      let order = fields.descriptor.first, "<|=>".contains(order)
    else { throw .unsupported("the type '\(fields.descriptor)'") }
    guard fields.shape.count <= 32 else { throw .unsupported("a rank of \(fields.shape.count)") }
    var content = Array(bytes[(start + length)...])
    guard let count = elementCount(fields.shape), count <= Int.max / 8, count * type.size == content.count else {
      throw .damaged("its bytes are not those of its shape \(fields.shape)")
    }
    if order == ">" { content = swapped(content, size: type.size) }
    if fields.fortranOrder { content = rowMajor(content, fields.shape, size: type.size) }
    guard let array = try? Tensor(type, shape: fields.shape, bytes: content) else {
      throw .damaged("its bytes are not those of its shape \(fields.shape)")
    }
    return array
  }

  /// Each element's bytes the other way round.
  private static func swapped(_ bytes: [UInt8], size: Int) -> [UInt8] {
    guard size > 1 else { return bytes }
    var result = bytes
    for start in stride(from: 0, to: bytes.count, by: size) {
      for i in 0..<size { result[start + i] = bytes[start + size - 1 - i] }
    }
    return result
  }

  /// From the first dimension fastest to the last one.
  private static func rowMajor(_ bytes: [UInt8], _ shape: [Int], size: Int) -> [UInt8] {
    guard shape.count > 1, !bytes.isEmpty else { return bytes }
    var strides = [size]
    for length in shape.dropLast() { strides.append(strides[strides.count - 1] * length) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = Array(repeating: 0, count: shape.count)
    var source = 0
    for _ in 0..<bytes.count / size {
      result += bytes[source..<source + size]
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        source += strides[axis]
        if index[axis] < shape[axis] { break }
        source -= strides[axis] * shape[axis]
        index[axis] = 0
        axis -= 1
      }
    }
    return result
  }

  /// Version 1, as numpy writes it; nil for a type that the format does not know.
  static func encode(_ array: Tensor) -> [UInt8]? {
    guard let descriptor = types.first(where: { $0.type == array.elementType })?.descriptor else { return nil }
    let shape = array.shape.map { "\($0)" }.joined(separator: ", ") + (array.shape.count == 1 ? "," : "")
    var header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(shape)), }"
    // The data starts at a multiple of 64.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    var bytes = magic + [1, 0]
    bytes.reserveCapacity(10 + header.utf8.count + array.bytes.count)
    LittleEndian.append(header.utf8.count, 2, to: &bytes)
    bytes += header.utf8
    bytes += array.bytes
    return bytes
  }
}

/// The header's dictionary: three keys in any order, values of one form each.
private struct NpyHeader {
  let bytes: [UInt8]
  var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func parse() -> (descriptor: String, fortranOrder: Bool, shape: [Int])? {
    var descriptor: String?
    var fortranOrder: Bool?
    var shape: [Int]?
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = string(), take(":") else { return nil }
      switch key {
      case "descr" where descriptor == nil:
        // A structured type is a list.
        descriptor = string() ?? "structured"
        if descriptor == "structured" { return ("structured", false, []) }
      case "fortran_order" where fortranOrder == nil:
        if take("True") { fortranOrder = true } else if take("False") { fortranOrder = false } else { return nil }
      case "shape" where shape == nil:
        guard let lengths = tuple() else { return nil }
        shape = lengths
      default: return nil
      }
      if !take(",") {
        guard take("}") else { return nil }
        break
      }
    }
    skipSpace()
    guard position == bytes.count, let descriptor, let fortranOrder, let shape else { return nil }
    return (descriptor, fortranOrder, shape)
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x0A, 0x09].contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ word: String) -> Bool {
    skipSpace()
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func string() -> String? {
    skipSpace()
    guard position < bytes.count, bytes[position] == 0x27 || bytes[position] == 0x22 else { return nil }
    let quote = bytes[position]
    guard let end = bytes[(position + 1)...].firstIndex(of: quote) else { return nil }
    let text = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
    position = end + 1
    return text
  }

  private mutating func tuple() -> [Int]? {
    guard take("(") else { return nil }
    var lengths: [Int] = []
    while !take(")") {
      guard let length = integer(), lengths.count < 64 else { return nil }
      lengths.append(length)
      if !take(",") {
        guard take(")") else { return nil }
        break
      }
    }
    return lengths
  }

  private mutating func integer() -> Int? {
    skipSpace()
    let start = position
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
    return Int(String(decoding: bytes[start..<position], as: UTF8.self))
  }
}
