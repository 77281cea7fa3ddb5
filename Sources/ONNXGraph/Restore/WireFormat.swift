/// The little of protobuf's wire format that is read and written byte by byte: varints, a message's outermost fields.
package enum WireFormat {
  package static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
    return bytes
  }

  static func zigzag(_ value: Int) -> UInt64 { UInt64(bitPattern: Int64(value << 1 ^ value >> 63)) }
  static func unzigzag(_ value: UInt64) -> Int { Int(value >> 1) ^ -Int(value & 1) }

  /// A length-delimited field.
  package static func field(_ number: UInt64, count: Int) -> [UInt8] { varint(number << 3 | 2) + varint(UInt64(count)) }

  /// Reads on; total: every method gives nil at what is damaged.
  struct Reader {
    let bytes: UnsafeRawBufferPointer
    private(set) var at = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }

    mutating func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: 0 as UInt64, to: 64, by: 7) {
        guard at < bytes.count else { return nil }
        let byte = bytes[at]
        at += 1
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }

    /// A count of what is still to come.
    mutating func count() -> Int? {
      guard let value = varint(), value <= UInt64(bytes.count - at) else { return nil }
      return Int(value)
    }

    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
      guard count >= 0, count <= bytes.count - at else { return nil }
      defer { at += count }
      return UnsafeRawBufferPointer(rebasing: bytes[at..<at + count])
    }

    /// The next field's number and, of a length-delimited one, its content.
    mutating func field() -> (number: UInt64, content: UnsafeRawBufferPointer?)? {
      guard let tag = varint() else { return nil }
      switch tag & 7 {
      case 0: return varint().map { _ in (tag >> 3, nil) }
      case 1: return take(8).map { _ in (tag >> 3, nil) }
      case 2: return count().flatMap { take($0) }.map { (tag >> 3, $0) }
      case 5: return take(4).map { _ in (tag >> 3, nil) }
      default: return nil
      }
    }
  }
}
