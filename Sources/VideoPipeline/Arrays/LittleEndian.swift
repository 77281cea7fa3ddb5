/// Little-endian fields of a record whose size was checked by the caller; a field past the end is nil.
struct LittleEndian {
  let bytes: [UInt8]

  func u16(_ offset: Int) -> Int? { field(offset, 2).map { Int($0) } }
  func u32(_ offset: Int) -> Int? { field(offset, 4).map { Int($0) } }
  /// nil also where the value exceeds Int.max.
  func u64(_ offset: Int) -> Int? { field(offset, 8).flatMap { Int(exactly: $0) } }

  private func field(_ offset: Int, _ size: Int) -> UInt64? {
    guard offset >= 0, offset <= bytes.count - size else { return nil }
    var value: UInt64 = 0
    for i in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + i]) }
    return value
  }

  static func append(_ value: Int, _ size: Int, to bytes: inout [UInt8]) {
    for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
  }
}
