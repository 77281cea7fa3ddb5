/// A dense tensor that owns its memory, row-major.
public struct Tensor: Equatable, Sendable {
  public let elementType: ElementType
  public let shape: [Int]
  /// The elements, little-endian; `shape`'s product × `elementType.size` of them.
  public private(set) var bytes: [UInt8]

  /// - Throws: `wrongCount` where the values do not fill the shape.
  public init<T: TensorElement>(_ values: [T], shape: [Int]) throws(RuntimeError) {
    try self.init(T.elementType, shape: shape, bytes: values.withUnsafeBytes { [UInt8]($0) })
  }

  /// - Throws: `wrongCount` where the bytes do not fill the shape.
  public init(_ elementType: ElementType, shape: [Int], bytes: [UInt8]) throws(RuntimeError) {
    guard let count = Tensor.count(shape), count <= Int.max / 8, count * elementType.size == bytes.count else {
      throw .wrongCount(
        shape: shape, expected: Tensor.count(shape) ?? -1, actual: bytes.count / elementType.size)
    }
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }

  /// A scalar.
  public init<T: TensorElement>(scalar: T) {
    elementType = T.elementType
    shape = []
    bytes = withUnsafeBytes(of: scalar) { [UInt8]($0) }
  }

  init(_ elementType: ElementType, shape: [Int], copying memory: UnsafeRawBufferPointer) {
    self.elementType = elementType
    self.shape = shape
    bytes = [UInt8](memory)
  }

  /// Number of elements.
  public var count: Int { bytes.count / elementType.size }

  /// The elements as they are stored; nil where `T` is another type.
  public func values<T: TensorElement>(_: T.Type = T.self) -> [T]? {
    guard T.elementType == elementType else { return nil }
    return bytes.withUnsafeBytes { memory in
      [T](unsafeUninitializedCapacity: count) { out, filled in
        UnsafeMutableRawBufferPointer(out).copyMemory(from: memory)
        filled = count
      }
    }
  }

  /// Every element as float32, rounded where its type holds more.
  public var floats: [Float] {
    func read<T: TensorElement>(_: T.Type, _ convert: (T) -> Float) -> [Float] { (values(T.self) ?? []).map(convert) }
    return switch elementType {
    case .float32: values(Float.self) ?? []
    case .float64: read(Double.self) { Float($0) }
    case .float16: read(Float16.self) { Float($0) }
    case .bfloat16: read(BFloat16.self) { Float($0) }
    case .bool: read(Bool.self) { $0 ? 1 : 0 }
    case .uint8: read(UInt8.self) { Float($0) }
    case .int8: read(Int8.self) { Float($0) }
    case .uint16: read(UInt16.self) { Float($0) }
    case .int16: read(Int16.self) { Float($0) }
    case .uint32: read(UInt32.self) { Float($0) }
    case .int32: read(Int32.self) { Float($0) }
    case .uint64: read(UInt64.self) { Float($0) }
    case .int64: read(Int64.self) { Float($0) }
    }
  }

  /// float32 values stored as a floating-point type.
  ///
  /// - Throws: `wrongCount`; `unsupportedValue` where the type is not a floating-point one.
  public init(floats: [Float], shape: [Int], as elementType: ElementType) throws(RuntimeError) {
    switch elementType {
    case .float32: try self.init(floats, shape: shape)
    case .float64: try self.init(floats.map { Double($0) }, shape: shape)
    case .float16: try self.init(floats.map { Float16($0) }, shape: shape)
    case .bfloat16: try self.init(floats.map { BFloat16($0) }, shape: shape)
    default: throw .unsupportedValue(name: "floats", type: "\(elementType)")
    }
  }

  /// The elements in place; what is written must be valid for `elementType`.
  public mutating func withUnsafeMutableBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
    try bytes.withUnsafeMutableBytes { try body($0) }
  }

  /// Product of the dimensions; nil where one is negative or it overflows.
  static func count(_ shape: [Int]) -> Int? {
    var product = 1
    for d in shape {
      let (p, overflow) = product.multipliedReportingOverflow(by: d)
      guard d >= 0, !overflow else { return nil }
      product = p
    }
    return product
  }
}
