/// A protobuf message as a tree that can be changed without knowing its schema: whatever is length-delimited and reads
/// as a message is taken for one.
struct WireTree {
  enum Value {
    case varint(UInt64)
    /// The 4 or 8 bytes of a fixed-width field.
    case fixed([UInt8])
    case bytes([UInt8])
    case message(WireTree)
  }

  struct Field {
    var number: UInt64
    var value: Value
  }

  var fields: [Field] = []

  /// Nil where the bytes are no message.
  init?(_ bytes: ArraySlice<UInt8>, depth: Int = 0) {
    var rest = bytes
    while !rest.isEmpty {
      guard let tag = Self.varint(&rest), tag >> 3 > 0, tag >> 3 < 1 << 29 else { return nil }
      let value: Value
      switch tag & 7 {
      case 0:
        guard let number = Self.varint(&rest) else { return nil }
        value = .varint(number)
      case 1, 5:
        let size = tag & 7 == 1 ? 8 : 4
        guard rest.count >= size else { return nil }
        value = .fixed(Array(rest.prefix(size)))
        rest = rest.dropFirst(size)
      case 2:
        guard let size = Self.varint(&rest), size <= UInt64(rest.count) else { return nil }
        let content = rest.prefix(Int(size))
        rest = rest.dropFirst(Int(size))
        if depth < 40, !content.isEmpty, let message = WireTree(content, depth: depth + 1) {
          value = .message(message)
        } else {
          value = .bytes(Array(content))
        }
      default: return nil
      }
      fields.append(Field(number: tag >> 3, value: value))
    }
  }

  var encoded: [UInt8] {
    var bytes: [UInt8] = []
    for field in fields {
      switch field.value {
      case .varint(let number):
        Self.append(field.number << 3, to: &bytes)
        Self.append(number, to: &bytes)
      case .fixed(let content):
        Self.append(field.number << 3 | (content.count == 8 ? 1 : 5), to: &bytes)
        bytes += content
      case .bytes(let content): Self.append(field.number, content, to: &bytes)
      case .message(let message): Self.append(field.number, message.encoded, to: &bytes)
      }
    }
    return bytes
  }

  /// Fields at all depths.
  var count: Int {
    fields.reduce(fields.count) { sum, field in
      if case .message(let message) = field.value { sum + message.count } else { sum }
    }
  }

  private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private static func append(_ number: UInt64, _ content: [UInt8], to bytes: inout [UInt8]) {
    append(number << 3 | 2, to: &bytes)
    append(UInt64(content.count), to: &bytes)
    bytes += content
  }
}
