/// Types of a tensor's elements; the numbers are ONNX's TensorProto.DataType.
public enum ElementType: Int32, Sendable, CaseIterable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case bfloat16 = 16

  /// Bytes an element.
  public var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }
}

/// The upper half of a float32.
public struct BFloat16: Equatable, Sendable {
  public var bitPattern: UInt16

  public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// Rounds to the nearest, ties to even; NaN stays NaN.
  public init(_ value: Float) {
    let bits = value.bitPattern
    bitPattern =
      value.isNaN
      ? UInt16(truncatingIfNeeded: bits >> 16) | 0x40
      : UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
  }
}

extension Float {
  public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}

/// A Swift type that is stored as the element of a tensor.
public protocol TensorElement: BitwiseCopyable, Sendable {
  static var elementType: ElementType { get }
}

extension Float: TensorElement { public static var elementType: ElementType { .float32 } }
extension Double: TensorElement { public static var elementType: ElementType { .float64 } }
extension Float16: TensorElement { public static var elementType: ElementType { .float16 } }
extension BFloat16: TensorElement { public static var elementType: ElementType { .bfloat16 } }
extension Bool: TensorElement { public static var elementType: ElementType { .bool } }
extension UInt8: TensorElement { public static var elementType: ElementType { .uint8 } }
extension Int8: TensorElement { public static var elementType: ElementType { .int8 } }
extension UInt16: TensorElement { public static var elementType: ElementType { .uint16 } }
extension Int16: TensorElement { public static var elementType: ElementType { .int16 } }
extension UInt32: TensorElement { public static var elementType: ElementType { .uint32 } }
extension Int32: TensorElement { public static var elementType: ElementType { .int32 } }
extension UInt64: TensorElement { public static var elementType: ElementType { .uint64 } }
extension Int64: TensorElement { public static var elementType: ElementType { .int64 } }
