import OnnxRuntime

extension Tensor {
  /// The values as float64, exact but for 64-bit integers beyond 2^53.
  public var doubles: [Double] {
    switch elementType {
    case .float64: values(Double.self) ?? []
    case .int64: (values(Int64.self) ?? []).map { Double($0) }
    case .uint64: (values(UInt64.self) ?? []).map { Double($0) }
    case .int32: (values(Int32.self) ?? []).map { Double($0) }
    case .uint32: (values(UInt32.self) ?? []).map { Double($0) }
    default: floats.map { Double($0) }
    }
  }

  /// The values as int64; nil for floating types and where a value does not fit.
  public var integers: [Int64]? {
    func read<T: TensorElement & FixedWidthInteger>(_: T.Type) -> [Int64]? {
      let result = (values(T.self) ?? []).compactMap { Int64(exactly: $0) }
      return result.count == count ? result : nil
    }
    return switch elementType {
    case .int8: read(Int8.self)
    case .int16: read(Int16.self)
    case .int32: read(Int32.self)
    case .int64: read(Int64.self)
    case .uint8: read(UInt8.self)
    case .uint16: read(UInt16.self)
    case .uint32: read(UInt32.self)
    case .uint64: read(UInt64.self)
    case .bool: bytes.map { $0 == 0 ? 0 : 1 }
    case .float16, .bfloat16, .float32, .float64: nil
    }
  }
}

extension ElementType {
  /// By the name that adapters and messages use, as in `float32`.
  public init?(named name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  public var name: String { "\(self)" }
}

/// Product of the lengths; nil where one is negative or the product overflows.
func elementCount(_ shape: [Int]) -> Int? {
  var product = 1
  for length in shape {
    let (next, overflow) = product.multipliedReportingOverflow(by: length)
    guard length >= 0, !overflow else { return nil }
    product = next
  }
  return product
}
