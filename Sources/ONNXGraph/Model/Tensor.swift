import CONNX

/// A tensor's header; its data is fetched when asked for.
public struct Tensor: Sendable {
  public var name: String
  public var elementType: Int32
  public var dims: [Int64]
  /// Set where the data stands in another file.
  public var external: ExternalData?
  var payload: Payload

  enum Payload: @unchecked Sendable {
    /// A TensorProto of a model that is kept alive.
    case message(OpaquePointer, ModelStorage)
    /// Row-major, little-endian.
    case bytes([UInt8])
  }

  /// The product of the dims; nil where it overflows or one is negative.
  public var elementCount: Int? { Self.count(dims) }

  static func count(_ dims: [Int64]) -> Int? {
    // A zero makes the tensor empty whatever stands beside it, but the others must be sound too.
    var product: Int64 = 1
    var hasZero = false
    for dim in dims {
      guard dim >= 0 else { return nil }
      if dim == 0 {
        hasZero = true
        continue
      }
      let (result, overflow) = product.multipliedReportingOverflow(by: dim)
      guard !overflow else { return nil }
      product = result
    }
    return hasZero ? 0 : Int(product)
  }

  /// Bytes of `raw_data` for a type and a count; nil where they overflow or the type has no fixed size.
  static func byteCount(_ elementType: Int32, count: Int) -> Int? {
    guard let bits = ElementType(rawValue: elementType)?.bits else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: bits)
    guard !overflow, product <= Int.max - 7 else { return nil }
    return (product + 7) / 8
  }

  /// A tensor of our own.
  ///
  /// - Parameter bytes: row-major, little-endian; as many as dims and type ask for.
  public init(name: String, elementType: ElementType, dims: [Int], bytes: [UInt8]) {
    self.name = name
    self.elementType = elementType.rawValue
    self.dims = dims.map(Int64.init)
    self.payload = .bytes(bytes)
  }

  public init(name: String, dims: [Int]? = nil, int64s values: [Int64]) {
    self.init(
      name: name, elementType: .int64, dims: dims ?? [values.count],
      bytes: values.withUnsafeBytes { Array($0) })
  }

  public init(name: String, dims: [Int]? = nil, floats values: [Float]) {
    self.init(
      name: name, elementType: .float32, dims: dims ?? [values.count],
      bytes: values.withUnsafeBytes { Array($0) })
  }

  public init(name: String, dims: [Int]? = nil, bools values: [Bool]) {
    self.init(name: name, elementType: .bool, dims: dims ?? [values.count], bytes: values.map { $0 ? 1 : 0 })
  }

  init(name: String, elementType: Int32, dims: [Int64], external: ExternalData?, payload: Payload) {
    self.name = name
    self.elementType = elementType
    self.dims = dims
    self.external = external
    self.payload = payload
  }
}
