/// An array of any rank: element type, shape, and bytes in C order, little-endian.
public struct NDArray: Equatable, Sendable {
  public let type: ElementType
  public let shape: [Int]
  public let bytes: [UInt8]

  /// nil where the bytes are not those of the shape.
  public init?(type: ElementType, shape: [Int], bytes: [UInt8]) {
    guard let count = Self.count(shape) else { return nil }
    let (size, overflow) = count.multipliedReportingOverflow(by: type.size)
    guard !overflow, size == bytes.count else { return nil }
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// nil where the values are not as many as the shape's elements.
  public init?(_ values: [Float], shape: [Int]) {
    self.init(type: .float32, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }

  /// nil where the values are not as many as the shape's elements.
  public init?(_ values: [Int64], shape: [Int]) {
    self.init(type: .int64, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
  }

  /// A vector.
  public init(_ values: [Float]) {
    type = .float32
    shape = [values.count]
    bytes = values.withUnsafeBytes { Array($0) }
  }

  /// A vector.
  public init(_ values: [Int64]) {
    type = .int64
    shape = [values.count]
    bytes = values.withUnsafeBytes { Array($0) }
  }

  public var count: Int { bytes.count / type.size }

  /// Product of the lengths; nil where one is negative or the product overflows.
  static func count(_ shape: [Int]) -> Int? {
    var product = 1
    for length in shape {
      guard length >= 0 else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: length)
      if overflow { return nil }
      product = next
    }
    return product
  }

  /// The same values as float32, float16 or bfloat16, rounded to nearest even; nil for other targets.
  public func converted(to target: ElementType) -> NDArray? {
    if target == type { return self }
    let values = floats
    switch target {
    case .float32: return NDArray(values, shape: shape)
    case .float16:
      return NDArray(
        type: .float16, shape: shape,
        bytes: values.map { Float16($0).bitPattern }.withUnsafeBytes { Array($0) })
    case .bfloat16:
      return NDArray(
        type: .bfloat16, shape: shape, bytes: values.map(Self.bfloat16).withUnsafeBytes { Array($0) })
    default: return nil
    }
  }

  private static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16((bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// The values as float32, rounded where they are not.
  public var floats: [Float] {
    switch type {
    case .float32: elements(Float.self)
    case .float16: elements(UInt16.self).map { Float(Float16(bitPattern: $0)) }
    case .bfloat16: elements(UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    case .float64: elements(Double.self).map { Float($0) }
    case .int8: elements(Int8.self).map { Float($0) }
    case .int16: elements(Int16.self).map { Float($0) }
    case .int32: elements(Int32.self).map { Float($0) }
    case .int64: elements(Int64.self).map { Float($0) }
    case .uint8: bytes.map { Float($0) }
    case .uint16: elements(UInt16.self).map { Float($0) }
    case .uint32: elements(UInt32.self).map { Float($0) }
    case .uint64: elements(UInt64.self).map { Float($0) }
    case .bool: bytes.map { $0 == 0 ? 0 : 1 }
    }
  }

  /// The values as float64, exact but for 64-bit integers beyond 2^53.
  public var doubles: [Double] {
    switch type {
    case .float64: elements(Double.self)
    case .int64: elements(Int64.self).map { Double($0) }
    case .uint64: elements(UInt64.self).map { Double($0) }
    case .int32: elements(Int32.self).map { Double($0) }
    case .uint32: elements(UInt32.self).map { Double($0) }
    default: floats.map { Double($0) }
    }
  }

  /// The values as int64; nil for floating types and for values that do not fit.
  public var integers: [Int64]? {
    switch type {
    case .int8: elements(Int8.self).map { Int64($0) }
    case .int16: elements(Int16.self).map { Int64($0) }
    case .int32: elements(Int32.self).map { Int64($0) }
    case .int64: elements(Int64.self)
    case .uint8: bytes.map { Int64($0) }
    case .uint16: elements(UInt16.self).map { Int64($0) }
    case .uint32: elements(UInt32.self).map { Int64($0) }
    case .uint64:
      elements(UInt64.self).allSatisfy { $0 <= UInt64(Int64.max) } ? elements(UInt64.self).map { Int64($0) } : nil
    case .bool: bytes.map { $0 == 0 ? 0 : 1 }
    case .float16, .bfloat16, .float32, .float64: nil
    }
  }

  private func elements<Element: BitwiseCopyable>(_: Element.Type) -> [Element] {
    bytes.withUnsafeBytes { raw in
      Array(unsafeUninitializedCapacity: count) { buffer, initialized in
        if let base = raw.baseAddress { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: .init(start: base, count: raw.count)) }
        initialized = count
      }
    }
  }
}
