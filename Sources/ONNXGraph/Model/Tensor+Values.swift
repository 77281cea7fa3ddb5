import CONNX

extension Tensor {
  /// Elements that the typed accessors give without being asked for more.
  public static let valueLimit = 1 << 20

  /// The elements of an integer or boolean tensor.
  ///
  /// - Returns: nil where the type is another, the data is not at hand (external and unreadable), it does not fill the
  ///   dims, or there are more than `limit`.
  public func int64Values(limit: Int = valueLimit) -> [Int64]? {
    guard let type = ElementType(rawValue: elementType), type.isInteger, let count = elementCount, count <= limit
    else { return nil }
    if let typed = typedFields(count: count), typed.raw.data == nil, external == nil {
      if typed.int64_count == count, let start = typed.int64s, type == .int64 {
        return Array(UnsafeBufferPointer(start: start, count: count))
      }
      if typed.int32_count == count, let start = typed.int32s {
        return UnsafeBufferPointer(start: start, count: count).map { Int64($0) }
      }
      if typed.uint64_count == count, let start = typed.uint64s {
        return UnsafeBufferPointer(start: start, count: count).map { Int64(bitPattern: $0) }
      }
      return count == 0 ? [] : nil
    }
    return withRawBytes { bytes in
      switch type {
      case .int64, .uint64: Self.elements(bytes, count) { (x: Int64) in x }
      case .int32: Self.elements(bytes, count) { (x: Int32) in Int64(x) }
      case .uint32: Self.elements(bytes, count) { (x: UInt32) in Int64(x) }
      case .int16: Self.elements(bytes, count) { (x: Int16) in Int64(x) }
      case .uint16: Self.elements(bytes, count) { (x: UInt16) in Int64(x) }
      case .int8: Self.elements(bytes, count) { (x: Int8) in Int64(x) }
      case .uint8: Self.elements(bytes, count) { (x: UInt8) in Int64(x) }
      case .bool: Self.elements(bytes, count) { (x: UInt8) in x == 0 ? 0 : 1 }
      default: nil
      }
    } ?? nil
  }

  /// The elements of a floating-point tensor (float32, float64, float16, bfloat16), rounded to float32.
  ///
  /// - Returns: nil as for `int64Values`.
  public func floatValues(limit: Int = valueLimit) -> [Float]? {
    guard let type = ElementType(rawValue: elementType), type.isFloatingPoint, let count = elementCount, count <= limit
    else { return nil }
    if let typed = typedFields(count: count), typed.raw.data == nil, external == nil {
      if typed.float_count == count, let start = typed.floats {
        return Array(UnsafeBufferPointer(start: start, count: count))
      }
      if typed.double_count == count, let start = typed.doubles {
        return UnsafeBufferPointer(start: start, count: count).map { Float($0) }
      }
      // The halves' bit patterns stand in int32_data.
      if typed.int32_count == count, let start = typed.int32s {
        let bits = UnsafeBufferPointer(start: start, count: count).map { UInt16(truncatingIfNeeded: $0) }
        return bits.map { type == .float16 ? float(half: $0) : float(brain: $0) }
      }
      return count == 0 ? [] : nil
    }
    return withRawBytes { bytes in
      switch type {
      case .float32: Self.elements(bytes, count) { (x: UInt32) in Float(bitPattern: x) }
      case .float64: Self.elements(bytes, count) { (x: UInt64) in Float(Double(bitPattern: x)) }
      case .float16: Self.elements(bytes, count) { (x: UInt16) in float(half: x) }
      case .bfloat16: Self.elements(bytes, count) { (x: UInt16) in float(brain: x) }
      default: nil
      }
    } ?? nil
  }

  /// The only element, as a float, whatever the numeric type; nil where there are more or none.
  public var scalar: Double? {
    guard elementCount == 1 else { return nil }
    if let value = int64Values(limit: 1)?.first { return Double(value) }
    if elementType == ElementType.float64.rawValue {
      if let typed = typedFields(count: 1), typed.double_count == 1, let start = typed.doubles { return start[0] }
      return withRawBytes { bytes in Self.elements(bytes, 1) { (x: UInt64) in Double(bitPattern: x) }?.first } ?? nil
    }
    return floatValues(limit: 1)?.first.map(Double.init)
  }

  /// The data as it would stand in `raw_data`; nil where it stands in typed fields or cannot be read.
  public func withRawBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R? {
    if let external { return withExternalBytes(external, body) }
    switch payload {
    case .bytes(let bytes):
      return bytes.withUnsafeBytes { body($0) }
    case .message(let message, let storage):
      return withExtendedLifetime(storage) {
        let raw = connx_tensor_read(message).raw
        guard let start = raw.data else { return nil }
        return body(UnsafeRawBufferPointer(start: start, count: raw.size))
      }
    }
  }

  private func withExternalBytes<R>(_ external: ExternalData, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
    guard case .message(_, let storage) = payload, let file = try? storage.folder?.map(external.location, tensor: name),
      let count = elementCount, let expected = Self.byteCount(elementType, count: count),
      external.offset <= UInt64(file.count)
    else { return nil }
    let available = UInt64(file.count) - external.offset
    let length = external.length ?? UInt64(expected)
    guard length >= UInt64(expected), length <= available else { return nil }
    return withExtendedLifetime(file) {
      body(UnsafeRawBufferPointer(rebasing: file.bytes[Int(external.offset)..<Int(external.offset) + expected]))
    }
  }

  private func typedFields(count: Int) -> connx_tensor_fields? {
    guard case .message(let message, _) = payload else { return nil }
    return connx_tensor_read(message)
  }

  private static func elements<Stored: BitwiseCopyable, Value>(
    _ bytes: UnsafeRawBufferPointer, _ count: Int, _ convert: (Stored) -> Value
  ) -> [Value]? {
    let stride = MemoryLayout<Stored>.stride
    guard count <= bytes.count / stride else { return nil }
    return (0..<count).map { convert(bytes.loadUnaligned(fromByteOffset: $0 * stride, as: Stored.self)) }
  }
}

/// IEEE binary16 → binary32, without the compiler's half type: it is slow in a baseline build.
func float(half bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 0x1f
  let fraction = UInt32(bits & 0x3ff)
  switch exponent {
  case 0:
    let magnitude = Float(fraction) * 0x1p-24
    return sign == 0 ? magnitude : -magnitude
  case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}

func float(brain bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
